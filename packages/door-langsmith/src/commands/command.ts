import { type Guest, invalidArgument, isCode, type ProcessSpec, type Sandbox } from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { processDefaults, runConfigSchema } from '../run-config.ts'
import { type Terms, tagOf } from './terms.ts'

const DEFAULT_TIMEOUT_S = 60
const DEFAULT_IDLE_S = 300
const DEFAULT_TTL_S = 600
/** Output kept for clients that come back, of each stream */
const BUFFER_BYTES = 4 * 2 ** 20
const TERMINAL = { cols: 80, rows: 24 }
export const DEFAULT_SHELL = '/bin/bash'

export const commandFields = {
  command: z
    .string()
    .min(1)
    .max(2 ** 20),
  shell: optional(z.string().min(1).max(4096)),
  env: optional(z.record(z.string().min(1).max(256), z.string())),
  cwd: optional(z.string().min(1).max(4096)),
  run_config: optional(runConfigSchema),
  timeout: optional(z.number().min(0).max(31_536_000)),
  timeout_seconds: optional(z.number().min(0).max(31_536_000)),
}
const lasting = optional(z.number().min(-1).max(31_536_000))

export const executeSchema = z.object({
  ...commandFields,
  command_id: optional(z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, 'up to 128 letters, digits, _ and -')),
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
    ...(body.command_id === undefined ? {} : { id: body.command_id }),
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

/** Clients always name bash; an image without it has the shell that every system has. */
export async function withShell<T>(spec: ProcessSpec, start: (spec: ProcessSpec) => Promise<T>): Promise<T> {
  try {
    return await start(spec)
  } catch (error) {
    const [shell, ...rest] = spec.args
    const lacking = isCode(error, 'guest_error') && error.context.errno === 'ENOENT' && error.context.what === 'program'
    if (shell !== DEFAULT_SHELL || !lacking) throw error
    return start({ ...spec, args: ['/bin/sh', ...rest] })
  }
}

export type Processes = Guest['processes']
