import { type Guest, invalidArgument, isCode, type ProcessSpec, type Sandbox } from '@spawnpoint/core'
import { commandText, noNul, optional, variables } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { processDefaults, type RunConfig, runConfigSchema } from '../run-config.ts'
import { processIdOf } from './command-id.ts'
import { type Terms, tagOf } from './terms.ts'

const DEFAULT_TIMEOUT_S = 60
const DEFAULT_IDLE_S = 300
const DEFAULT_TTL_S = 600
/** Output kept for clients that come back, of each stream */
const BUFFER_BYTES = 4 * 2 ** 20
const TERMINAL = { cols: 80, rows: 24 }
export const DEFAULT_SHELL = '/bin/bash'

export const commandFields = {
  command: commandText,
  shell: optional(noNul.min(1).max(4096)),
  env: optional(variables),
  cwd: optional(noNul.min(1).max(4096)),
  run_config: optional(runConfigSchema),
  timeout: optional(z.number().min(0).max(31_536_000)),
  timeout_seconds: optional(z.number().min(0).max(31_536_000)),
}
const lasting = optional(z.number().min(-1).max(31_536_000))

export const executeSchema = z.object({
  ...commandFields,
  command_id: optional(z.string().min(1).max(256)),
  idle_timeout_seconds: lasting,
  ttl_seconds: lasting,
  kill_on_disconnect: optional(z.boolean()),
  close_stdin: optional(z.boolean()),
  pty: optional(z.boolean()),
})
export type Execute = z.output<typeof executeSchema>

const commandSchema = z.object(commandFields)

/** Whole output goes to whoever waits for it; input there is none. */
export function commandSpec(sandbox: Sandbox, body: z.output<typeof commandSchema>): ProcessSpec {
  if (body.run_config !== undefined && (body.env !== undefined || body.cwd !== undefined))
    throw invalidArgument('run_config', 'not together with env and cwd')
  const seconds = body.timeout ?? body.timeout_seconds ?? DEFAULT_TIMEOUT_S
  return {
    args: [body.shell ?? DEFAULT_SHELL, '-c', body.command],
    env: { ...body.env, ...body.run_config?.env_vars },
    ...processDefaults(sandbox, body.run_config ?? {}),
    ...(body.cwd === undefined ? {} : { cwd: body.cwd }),
    stdin: false,
    // None at all is 0 here.
    ...(seconds === 0 ? {} : { timeoutMs: seconds * 1000 }),
  }
}

export function followedSpec(sandbox: Sandbox, body: Execute): ProcessSpec {
  const spec = commandSpec(sandbox, body)
  return {
    ...spec,
    ...(body.command_id === undefined ? {} : { id: processIdOf(body.command_id) }),
    ...(body.pty ? { pty: TERMINAL, env: { TERM: 'xterm-256color', ...spec.env } } : {}),
    stdin: body.pty === true || body.close_stdin !== true,
    tag: tagOf(termsFor(body)),
    bufferBytes: BUFFER_BYTES,
  }
}

export function termsFor(body: Execute): Terms {
  const ms = (seconds: number) => (seconds === -1 ? null : Math.round(seconds * 1000))
  return {
    idleMs: ms(body.idle_timeout_seconds ?? DEFAULT_IDLE_S),
    ttlMs: ms(body.ttl_seconds ?? DEFAULT_TTL_S),
    killOnDisconnect: body.kill_on_disconnect ?? false,
  }
}

interface Asked {
  cwd?: string | undefined
  run_config?: RunConfig | undefined
}

/**
 * Clients always name bash; an image without it has the shell that every system has. And whom a command runs as may not enter
 * the directory that is meant for another account: without a word about that it begins at the root.
 */
export async function withShell<T>(
  spec: ProcessSpec,
  { cwd, run_config: run }: Asked,
  start: (spec: ProcessSpec) => Promise<T>,
): Promise<T> {
  let next = spec
  for (;;) {
    try {
      return await start(next)
    } catch (error) {
      if (!isCode(error, 'guest_error')) throw error
      const { errno, what } = error.context
      const [shell, ...rest] = next.args
      if (shell === DEFAULT_SHELL && errno === 'ENOENT' && what === 'program')
        next = { ...next, args: ['/bin/sh', ...rest] }
      else if (errno === 'EACCES' && what === 'cwd' && next.cwd !== '/' && isOthers(run) && cwd === undefined)
        next = { ...next, cwd: '/' }
      else throw error
    }
  }
}

/** Another user than the box's, and nothing about where. */
function isOthers(run: Asked['run_config']): boolean {
  return run?.user !== undefined && run.work_dir === undefined
}

export type Processes = Guest['processes']
