import { McpServer } from '@modelcontextprotocol/server'
import { type Principal, type SpawnpointApi, toSpawnpointError } from '@spawnpoint/core'
import { z } from 'zod'
import type { Log } from './door.ts'
import type { Tool } from './tool.ts'
import { commandTools } from './tools/commands.ts'
import { comparingTools } from './tools/comparing.ts'
import { fileTools } from './tools/files.ts'
import { sandboxTools } from './tools/sandboxes.ts'
import { snapshotTools } from './tools/snapshots.ts'

const INSTRUCTIONS = `Sandboxes are isolated Linux machines. Create one, run commands in it, and take a snapshot before anything
risky: roll_back undoes it, fork_sandbox tries several ways at once, create_sandbox from a snapshot goes on from it any number of
times. compare tells what a command has changed. Delete what you do not need any more.`

export const TOOLS: readonly Tool[] = [
  ...sandboxTools(),
  ...commandTools(),
  ...fileTools(),
  ...snapshotTools(),
  ...comparingTools(),
]

/** Serves one request or connection of `by`. */
export function mcpServer(api: SpawnpointApi, by: Principal, version: string, log: Log): McpServer {
  const server = new McpServer({ name: 'spawnpoint', version }, { instructions: INSTRUCTIONS })
  for (const { name, description, input, annotations, run } of TOOLS) {
    server.registerTool(name, { description, annotations, inputSchema: input }, async (value, context) => {
      try {
        const result = await run(value, { api, by, signal: context.mcpReq.signal })
        return { content: [{ type: 'text', text: JSON.stringify(result) }] }
      } catch (thrown) {
        // A tool's failure is for the model to read, and no error of the protocol.
        return { content: [{ type: 'text', text: failure(thrown, name, log) }], isError: true }
      }
    })
  }
  return server
}

function failure(thrown: unknown, tool: string, log: Log): string {
  if (thrown instanceof z.ZodError) return z.prettifyError(thrown)
  const error = toSpawnpointError(thrown)
  if (error.code === 'internal') log.error({ err: thrown, tool }, 'tool failed')
  return `${error.code}: ${error.message}`
}
