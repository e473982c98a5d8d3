import { once } from 'node:events'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Server } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import type { Connection } from './config.ts'

const IDENTITY = { name: 'spawnpoint', version: '0.1.0' }
/** The server ends commands itself; this only has to be longer than the longest that it allows. */
const CALL_TIMEOUT_MS = 2 * 3600 * 1000

/**
 * Passes what an agent asks on standard input on to the server's own MCP address, with the caller's key. Resolves when the
 * input ends. Rejects if the server cannot be reached to begin with; one that restarts later is no end.
 */
export async function bridge({ url, apiKey }: Connection): Promise<void> {
  const client = new Client(IDENTITY)
  await client.connect(
    new StreamableHTTPClientTransport(new URL('/mcp', url), {
      requestInit: { headers: { authorization: `Bearer ${apiKey}` } },
    }),
  )
  const instructions = client.getInstructions()
  const stdio = serveStdio(
    () => {
      const server = new Server(IDENTITY, {
        capabilities: { tools: {} },
        ...(instructions === undefined ? {} : { instructions }),
      })
      server.setRequestHandler('tools/list', ({ params }, { mcpReq }) =>
        client.listTools(params, { signal: mcpReq.signal }),
      )
      server.setRequestHandler('tools/call', ({ params }, { mcpReq }) =>
        client.callTool(params, { signal: mcpReq.signal, timeout: CALL_TIMEOUT_MS }),
      )
      return server
    },
    { onerror: (error) => process.stderr.write(`spawnpoint mcp: ${error.message}\n`) },
  )
  await once(process.stdin, 'close')
  await stdio.close()
  await client.close()
}
