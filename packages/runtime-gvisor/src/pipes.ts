import { constants, mkdirSync, openSync, renameSync, statSync } from 'node:fs'
import { Socket } from 'node:net'
import { runCommand } from '@spawnpoint/host-commands'
import { runtimeFailed } from './failure.ts'

const { O_RDONLY, O_NONBLOCK } = constants
const NAMES = ['in', 'out', 'err', 'log'] as const

/**
 * Named pipes of incarnations, made ahead because Node cannot make one itself. They live in the file system, so that a
 * server that comes back finds them, and both sides hold them open for reading and writing, so that neither sees an end
 * when the other one restarts.
 */
export class PipeStock {
  readonly #dir: string
  readonly #size: number
  readonly #ready: string[] = []
  #made = 0
  #making: Promise<void> | null = null

  /** Preconditions: `dir` is this server's alone and empty. */
  constructor(dir: string, size = 8) {
    this.#dir = dir
    this.#size = size
  }

  /** Moves a directory with fresh pipes `in`, `out`, `err` and `log` to `target`, which must not exist. */
  async take(target: string): Promise<void> {
    while (this.#ready.length === 0) await this.#refill()
    renameSync(this.#ready.shift() as string, target)
    // What goes wrong here goes wrong again, and is reported, when somebody has to wait for it.
    if (this.#ready.length <= this.#size / 2) this.#refill().catch(() => {})
  }

  async close(): Promise<void> {
    // Reported to whoever waited for it.
    await this.#making?.catch(() => {})
  }

  #refill(): Promise<void> {
    this.#making ??= this.#make().finally(() => {
      this.#making = null
    })
    return this.#making
  }

  async #make(): Promise<void> {
    const dirs = Array.from({ length: this.#size }, () => `${this.#dir}/${this.#made++}`)
    for (const dir of dirs) mkdirSync(dir, { recursive: true, mode: 0o700 })
    const paths = dirs.flatMap((dir) => NAMES.map((name) => `${dir}/${name}`))
    const result = await runCommand('mkfifo', ['-m', '600', ...paths], { timeoutMs: 10_000 })
    if (result.code !== 0) throw runtimeFailed('pipes', `mkfifo failed: ${result.stderr.trim()}`)
    this.#ready.push(...dirs)
  }
}

/** What become the container's 0, 1 and 2: open file descriptions of its own, blocking, as programs expect. */
export function containerStdio(dir: string): [string, string, string] {
  return [`${dir}/in`, `${dir}/out`, `${dir}/err`]
}

/** Where a command says what it has to say that waits for its word: it begins when somebody reads. */
export function logPipe(dir: string): string {
  return `${dir}/log`
}

export function hasLogPipe(dir: string): boolean {
  return statSync(logPipe(dir), { throwIfNoEntry: false })?.isFIFO() === true
}

/** Ends when nothing inside the runtime holds the pipe any more: as a rule, when the sandbox is dead. */
export function openErrorOutput(dir: string): Socket {
  const fd = openSync(`${dir}/err`, O_RDONLY | O_NONBLOCK)
  return new Socket({ fd, readable: true, writable: false })
}
