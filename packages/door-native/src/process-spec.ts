import type { ProcessSpec } from '@spawnpoint/core'
import { defined } from './defined.ts'

/** What a client says about a program; the schemas made sure that it gave exactly one of `args` and `command`. */
export interface ProgramFields {
  id?: string | undefined
  args?: string[] | undefined
  command?: string | undefined
  env?: Record<string, string> | undefined
  cwd?: string | undefined
  user?: string | undefined
  pty?: { cols: number; rows: number } | undefined
  tag?: string | undefined
  timeoutMs?: number | undefined
}

/** `gatherMs` counts for a process that gets no input: one that does waits for what is sent once it is known to run. */
export function processSpec(given: ProgramFields, stdin: boolean, gatherMs = 0): ProcessSpec {
  return {
    args: given.args ?? ['/bin/sh', '-c', given.command ?? ''],
    env: given.env ?? {},
    stdin,
    ...(gatherMs > 0 && !stdin && { gatherMs }),
    ...defined({ id: given.id, cwd: given.cwd, user: given.user, pty: given.pty }),
    ...defined({ tag: given.tag, timeoutMs: given.timeoutMs }),
  }
}

/** Where a client wants to begin to read. */
export interface AttachFields {
  stdout?: number | undefined
  stderr?: number | undefined
  pty?: number | undefined
  from?: 'now' | undefined
  follow?: boolean | undefined
}

export function attachOptions(given: AttachFields, signal: AbortSignal) {
  const from = given.from ?? defined({ stdout: given.stdout, stderr: given.stderr, pty: given.pty })
  return { from, signal, kept: given.follow === false }
}
