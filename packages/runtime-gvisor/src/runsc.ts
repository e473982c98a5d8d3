import { closeSync, constants, openSync, readSync } from 'node:fs'
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

/** Of a call that waits: it is given up by whoever has it made long before */
const LONGEST_WAIT_MS = 24 * 3_600_000
/** As much as a pipe holds: a call that has more to say than that does not end */
const LOG_BYTES = 64 * 1024

/**
 * A call that has been started and does nothing yet: runsc opens its log before all else, and that is a named pipe which
 * nobody reads. What a program takes to start is over when it is wanted.
 */
export interface WaitingCall {
  /** It still waits: it has not been given its word, and has not ended without. */
  readonly waits: boolean
  /** Has it go on; as `Runsc.call` from here. Preconditions: it waits. */
  go(timeoutMs: number): Promise<CommandResult>
  /** Ends it, whatever it does. Resolves when it has ended. */
  end(): Promise<void>
}

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
    const result = await this.#run(call)
    if (result.code === 0 && !result.timedOut) return result
    throw failed(call, result, await readLog(call.logFile))
  }

  /** Starts a call that waits for its word. Preconditions: its log is a named pipe that nobody has opened. */
  begin(call: Omit<RunscCall, 'timeoutMs' | 'stdio'>): WaitingCall {
    const stop = new AbortController()
    const signal = AbortSignal.any([stop.signal, ...(call.signal ? [call.signal] : [])])
    const result = this.#run({ ...call, signal, timeoutMs: LONGEST_WAIT_MS })
    let waits = true
    const ended = () => {
      waits = false
    }
    result.then(ended, ended)
    return {
      get waits() {
        return waits
      },
      async go(timeoutMs) {
        waits = false
        using log = openLog(call.logFile)
        let timedOut = false
        const timer = setTimeout(() => {
          timedOut = true
          stop.abort()
        }, timeoutMs)
        try {
          const outcome = { ...(await result), timedOut }
          if (outcome.code === 0 && !timedOut) return outcome
          throw failed({ ...call, timeoutMs }, outcome, log.read())
        } finally {
          clearTimeout(timer)
        }
      },
      async end() {
        stop.abort()
        await result.then(ended, ended)
      },
    }
  }

  async #run(call: RunscCall): Promise<CommandResult> {
    const args = [...this.#flags, `--root=${call.root}`, `--log=${call.logFile}`, call.step, ...call.args]
    const cover = this.capabilities.coverSysNet && NETWORK_STEPS.has(call.step)
    const [program, ...rest] = cover ? [...COVER_SYS_NET, this.binary, ...args] : [this.binary, ...args]
    try {
      return await runCommand(program as string, rest, {
        timeoutMs: call.timeoutMs,
        ...(call.stdio ? { stdio: call.stdio } : {}),
        ...(call.signal ? { signal: call.signal } : {}),
      })
    } catch (error) {
      throw runtimeFailed(call.step, `${program} cannot be started: ${errorText(error)}`, error)
    }
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

function failed(call: Pick<RunscCall, 'step' | 'timeoutMs'>, result: CommandResult, log: string) {
  return runtimeFailed(call.step, `${ending(result, call.timeoutMs)}: ${lastWords(log, result)}`)
}

async function readLog(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    // ENOENT: it died before it had anything to say.
    return ''
  }
}

/** Opens a log that somebody waits for to be read. */
function openLog(path: string): Disposable & { read(): string } {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  return {
    /** What was written to it, once nobody does any more */
    read() {
      const bytes = Buffer.alloc(LOG_BYTES)
      let length = 0
      try {
        for (let n = -1; n !== 0; length += n) n = readSync(fd, bytes, length, bytes.length - length, null)
      } catch {
        // EAGAIN: somebody who was not to be killed still has it open, and has said nothing more.
      }
      return bytes.toString('utf8', 0, length)
    },
    [Symbol.dispose]: () => closeSync(fd),
  }
}

/** runsc says why it gave up in the file of `--log`, one JSON object a line; standard error may be the guest's. */
function lastWords(log: string, result: CommandResult): string {
  const messages = log
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
