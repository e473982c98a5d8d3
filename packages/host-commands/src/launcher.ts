import { type ChildProcess, fork } from 'node:child_process'
import { type CommandOptions, type CommandResult, killGroup, runHere } from './command.ts'
import type { Answer, Order } from './orders.ts'

const PROGRAM = new URL('./launcher-process.ts', import.meta.url)
/** A launcher that ended is not replaced more often */
const REPLACED_AFTER_MS = 1_000

interface Pending {
  pid: number | null
  resolve: (result: CommandResult) => void
  reject: (error: Error) => void
}

/**
 * A process that starts programs for this one. Starting a program copies the page tables of whoever starts it: for a
 * server of 250 MB that took 15 ms, in which it did nothing else; for the launcher a tenth of it (decision 0045).
 */
class Launcher {
  #child: ChildProcess | null = null
  #ready = false
  #startedAt = Number.NEGATIVE_INFINITY
  #lastId = 0
  readonly #pending = new Map<number, Pending>()

  /** Resolves when it takes orders, or has ended without. */
  start(): Promise<void> {
    this.#startedAt = performance.now()
    const child = fork(PROGRAM, {
      // Ctrl-C in the terminal is for the server alone.
      detached: true,
      cwd: '/',
      execArgv: ['--conditions=development', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child = child
    const begun = Promise.withResolvers<void>()
    child.on('message', (answer: Answer) => {
      if (answer.id !== 0) return this.#take(answer)
      this.#ready = true
      // Only what it does for us is waited for.
      child.unref()
      child.channel?.unref()
      begun.resolve()
    })
    const over = () => {
      begun.resolve()
      if (this.#child === child) this.#lost()
    }
    child.once('exit', over)
    // It could not be started at all.
    child.once('error', over)
    return begun.promise
  }

  run(program: string, args: readonly string[], { signal, ...options }: CommandOptions): Promise<CommandResult> {
    const child = this.#child
    if (child === null && performance.now() - this.#startedAt > REPLACED_AFTER_MS) void this.start()
    if (child === null || !this.#ready || !child.connected) {
      return runHere(program, args, { ...options, ...(signal ? { signal } : {}) })
    }
    return new Promise<CommandResult>((resolve, reject) => {
      const id = ++this.#lastId
      const stop = () => this.#tell({ do: 'stop', id })
      const done = () => {
        signal?.removeEventListener('abort', stop)
        this.#pending.delete(id)
        if (this.#pending.size === 0) child.channel?.unref()
      }
      this.#pending.set(id, {
        pid: null,
        resolve: (result) => {
          done()
          resolve(result)
        },
        reject: (error) => {
          done()
          reject(error)
        },
      })
      child.channel?.ref()
      this.#tell({ do: 'run', id, program, args, options })
      signal?.addEventListener('abort', stop, { once: true })
      if (signal?.aborted) stop()
    })
  }

  /** Programs that still run are killed: nobody waits for them. */
  end(): void {
    const child = this.#child
    this.#child = null
    if (child?.connected) child.disconnect()
    this.#lost()
  }

  #tell(order: Order): void {
    // Harmless: a launcher that hears no more has ended, and `exit` tells everybody who waits.
    this.#child?.send(order, () => {})
  }

  #take(answer: Answer): void {
    const pending = this.#pending.get(answer.id)
    if (pending === undefined) return
    if ('pid' in answer) pending.pid = answer.pid
    else if ('result' in answer) pending.resolve(answer.result)
    else pending.reject(Object.assign(new Error(answer.error.message), { code: answer.error.code }))
  }

  /** What it had started has nobody left who could say how it ends. */
  #lost(): void {
    this.#child = null
    this.#ready = false
    for (const { pid, resolve, reject } of [...this.#pending.values()]) {
      if (pid === null) {
        reject(new Error('the process that starts programs ended before it could start this one'))
        continue
      }
      killGroup(pid)
      const end = { code: null, signal: 'SIGKILL', timedOut: false, truncated: false }
      resolve({ ...end, stdout: '', stderr: 'its launcher ended' })
    }
  }
}

let launcher: Launcher | null = null

/**
 * Runs a host program to its end in a process group of its own, so that a time limit reaches its children too and a
 * signal from the server's terminal does not. A program that fails, dies or is stopped is a result; only one that
 * cannot be started rejects, with the system's `code`.
 */
export function runCommand(program: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return launcher?.run(program, args, options) ?? runHere(program, args, options)
}

/** From here on `runCommand` starts programs by a launcher, until disposed of. For processes that are large. */
export async function useLauncher(): Promise<Disposable> {
  if (launcher !== null) throw new Error('there is a launcher already')
  const ours = new Launcher()
  launcher = ours
  await ours.start()
  return {
    [Symbol.dispose]() {
      launcher = null
      ours.end()
    },
  }
}
