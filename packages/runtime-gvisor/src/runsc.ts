import { readFile } from 'node:fs/promises'
import { type CommandResult, runCommand } from '@spawnpoint/host-commands'
import type { Capabilities } from './capabilities.ts'
import { errorText, runtimeFailed } from './failure.ts'

/** What the driver asks of runsc; also the `step` of a `runtime_failed`. */
export type RunscStep = 'run' | 'create' | 'start' | 'restore' | 'pause' | 'resume' | 'checkpoint' | 'state'

export interface RunscCall {
  step: RunscStep
  /** Options and container id of the sub-command */
  args: readonly string[]
  /** State directory of this one container: nothing else can be matched by its id, and removing it removes all */
  root: string
  /** File that receives what runsc says when it gives up */
  logFile: string
  timeoutMs: number
  /** Files that become the container's 0, 1 and 2 */
  stdio?: readonly [string, string, string]
  signal?: AbortSignal
}

/** Steps that set up the sandbox's network from a namespace. */
const NETWORK_STEPS: ReadonlySet<RunscStep> = new Set(['run', 'create', 'start', 'restore'])

/**
 * Older runsc takes every namespace for the host's own where the kernel gives /proc/sys/net/core/rmem_default to each.
 * In a mount namespace where /proc/sys/net is empty it finds no such file and goes on. The sandbox keeps that namespace
 * alive; unmounts on the host still reach it because it is a slave.
 */
export const COVER_SYS_NET = [
  'unshare',
  '--mount',
  '--propagation',
  'slave',
  'sh',
  '-c',
  'mount -t tmpfs -o size=4k,mode=755 none /proc/sys/net && exec "$@"',
  'sh',
] as const

/** Calls one runsc binary with the flags that its capabilities ask for. */
export class Runsc {
  readonly binary: string
  readonly capabilities: Capabilities
  readonly #flags: readonly string[]

  constructor(binary: string, capabilities: Capabilities, options: { goferNamespace: string; extraFlags?: string[] }) {
    this.binary = binary
    this.capabilities = capabilities
    this.#flags = [...globalFlags(capabilities, options.goferNamespace), ...(options.extraFlags ?? [])]
  }

  /** Rejects `runtime_failed` with runsc's own words unless it exits with 0 within the limit. */
  async call(call: RunscCall): Promise<CommandResult> {
    const args = [...this.#flags, `--root=${call.root}`, `--log=${call.logFile}`, call.step, ...call.args]
    const cover = this.capabilities.coverSysNet && NETWORK_STEPS.has(call.step)
    const [program, ...rest] = cover ? [...COVER_SYS_NET, this.binary, ...args] : [this.binary, ...args]
    let result: CommandResult
    try {
      result = await runCommand(program as string, rest, {
        timeoutMs: call.timeoutMs,
        ...(call.stdio ? { stdio: call.stdio } : {}),
        ...(call.signal ? { signal: call.signal } : {}),
      })
    } catch (error) {
      throw runtimeFailed(call.step, `${program} cannot be started: ${errorText(error)}`, error)
    }
    if (result.code === 0 && !result.timedOut) return result
    throw runtimeFailed(call.step, `${ending(result, call.timeoutMs)}: ${await lastWords(call.logFile, result)}`)
  }
}

export function globalFlags(capabilities: Capabilities, goferNamespace: string): string[] {
  const has = (flag: string) => capabilities.flags.includes(flag)
  return [
    '--platform=systrap',
    '--network=sandbox',
    '--overlay2=none',
    // Guests may use ping and the like; what they forge is dropped at their network slot.
    '--net-raw=true',
    '--cpu-num-from-quota=true',
    ...(has('net-disconnect-ok') ? ['--net-disconnect-ok=true'] : []),
    // Without it sudo and su do nothing; older ones always allow it.
    ...(has('allow-suid') ? ['--allow-suid=true'] : []),
    // Otherwise runsc leaves a namespace pinned by a mount in its state directory.
    ...(has('gofer-network-namespace') ? [`--gofer-network-namespace=${goferNamespace}`] : []),
    // Advice about host settings is nothing a caller can act on, and looking takes time at every start.
    ...(has('host-settings') ? ['--host-settings=ignore'] : []),
  ]
}

function ending(result: CommandResult, timeoutMs: number): string {
  if (result.timedOut) return `no answer within ${timeoutMs} ms`
  return result.signal ? `runsc was ended by ${result.signal}` : `runsc exited with ${result.code}`
}

/** runsc says why it gave up in the file of `--log`, one JSON object a line; standard error may be the guest's. */
async function lastWords(logFile: string, result: CommandResult): Promise<string> {
  let text = ''
  try {
    text = await readFile(logFile, 'utf8')
  } catch {
    // ENOENT: it died before it had anything to say.
  }
  const messages = text
    .trim()
    .split('\n')
    .slice(-5)
    .map((line) => {
      try {
        const entry: unknown = JSON.parse(line)
        return entry && typeof entry === 'object' && 'msg' in entry ? String(entry.msg) : line
      } catch {
        return line
      }
    })
    .filter((line) => line !== '')
  return messages.join('; ') || result.stderr.trim() || result.stdout.trim() || 'it said nothing'
}
