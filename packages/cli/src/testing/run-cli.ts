import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'

export const LAUNCHER = resolve(import.meta.dirname, '../../../../bin/spawnpoint')

export interface Finished {
  status: number | null
  stdout: string
  stderr: string
}

/** The real program as a child process, and what it has printed so far. */
export class RunningCli {
  readonly child: ChildProcessWithoutNullStreams
  stdout = ''
  stderr = ''
  readonly #finished: Promise<Finished>

  constructor(args: string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(LAUNCHER, args, { env: { PATH: process.env.PATH, NO_COLOR: '', ...env } })
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      this.stdout += text
    })
    this.child.stderr.setEncoding('utf8').on('data', (text) => {
      this.stderr += text
    })
    // Harmless: it ended without reading all of its input.
    this.child.stdin.on('error', () => {})
    this.#finished = once(this.child, 'close').then(([status]) => ({
      status,
      stdout: this.stdout,
      stderr: this.stderr,
    }))
  }

  finish(input = ''): Promise<Finished> {
    this.child.stdin.end(input)
    return this.#finished
  }

  /** Resolves when it has printed this; throws if it ends without. */
  async printed(text: string | RegExp): Promise<void> {
    const seen = () => (typeof text === 'string' ? this.stdout.includes(text) : text.test(this.stdout))
    let ended = false
    void this.#finished.then(() => {
      ended = true
    })
    while (!seen()) {
      if (ended) throw new Error(`It ended without printing ${text}: ${this.stdout}${this.stderr}`)
      await Promise.race([once(this.child.stdout, 'data'), this.#finished])
    }
  }

  get finished(): Promise<Finished> {
    return this.#finished
  }
}
