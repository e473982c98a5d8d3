import { readdirSync, readFileSync } from 'node:fs'
import type { Container } from './container.ts'
import { fitsSocket, OrderRefused, order } from './control-socket.ts'
import { errorText, runtimeFailed } from './failure.ts'

/** Makes the kernel of a sandbox stand still and go on. One call at a time. */
export interface KernelControl {
  /** Rejects `runtime_failed`; it may have happened all the same. Preconditions: settled, and not so already. */
  setPaused(paused: boolean): Promise<void>
  /** Waits for a change that was given up before its end. Rejects `runtime_failed` if that takes too long. */
  settled(): Promise<void>
  /** Rejects `runtime_failed` if it cannot be found out. */
  isPaused(): Promise<boolean>
}

/** By runsc's commands: works with every version, and costs a start of runsc each time. */
export class CommandControl implements KernelControl {
  readonly #container: Container

  constructor(container: Container) {
    this.#container = container
  }

  async setPaused(paused: boolean): Promise<void> {
    const { id } = this.#container
    await this.#container.call(paused ? 'pause' : 'resume', [id], this.#container.timeFor('controlMs'))
  }

  /** A command that is given up is killed. */
  async settled(): Promise<void> {}

  async isPaused(): Promise<boolean> {
    const { id } = this.#container
    const { stdout } = await this.#container.call('state', [id], this.#container.timeFor('controlMs'))
    const status = /"status":\s*"(\w+)"/.exec(stdout)?.[1]
    if (status !== 'paused' && status !== 'running') throw runtimeFailed('state', `unexpected answer: ${stdout}`)
    return status === 'paused'
  }
}

const PAUSE = 'containerManager.Pause'
const RESUME = 'containerManager.Resume'
const STACKS = 'debug.Stacks'

/**
 * By the orders that runsc's commands give, given directly; see docs/decisions/0006. The commands' own books are left
 * alone: for `runsc state` such a sandbox always runs.
 *
 * The kernel counts: a second pause needs a second resume, and a resume too many ends it. So an order that was not
 * answered in time is never given again: the next one waits for its answer.
 */
export class SocketControl implements KernelControl {
  readonly #path: string
  readonly #timeoutMs: number
  readonly #signal: AbortSignal
  #unanswered: Promise<unknown> | null = null

  /** `signal` cuts off what is under way, without undoing it. */
  constructor(path: string, timeoutMs: number, signal: AbortSignal) {
    this.#path = path
    this.#timeoutMs = timeoutMs
    this.#signal = signal
  }

  async setPaused(paused: boolean): Promise<void> {
    const answer = order(this.#path, paused ? PAUSE : RESUME, this.#signal).finally(() => {
      this.#unanswered = null
    })
    this.#unanswered = answer
    await this.#inTime(paused ? 'pause' : 'resume', answer)
  }

  async settled(): Promise<void> {
    // Who gave it has heard how it ended, or that it did not; here it only has to be over.
    if (this.#unanswered)
      await this.#inTime(
        'state',
        this.#unanswered.catch(() => {}),
      )
  }

  /** Every task of a kernel that stands still waits at one place; of one that runs, its init at least does not. */
  async isPaused(): Promise<boolean> {
    if (this.#unanswered) throw runtimeFailed('state', 'the last order is not answered yet')
    const stacks = await this.#inTime('state', order(this.#path, STACKS, this.#signal))
    if (typeof stacks !== 'string') throw runtimeFailed('state', 'unexpected answer')
    const paused = standsStill(stacks)
    if (paused === null) throw runtimeFailed('state', 'the kernel tells of no tasks')
    return paused
  }

  async #inTime<T>(step: string, answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(runtimeFailed(step, `no answer within ${this.#timeoutMs} ms`))
      }, this.#timeoutMs)
    })
    try {
      return await Promise.race([answer, late])
    } catch (error) {
      if (error instanceof OrderRefused) throw runtimeFailed(step, `the kernel refuses: ${error.message}`, error)
      if (error instanceof Error && 'context' in error) throw error
      throw runtimeFailed(step, `the kernel cannot be asked: ${errorText(error)}`, error)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Whether all tasks in a dump of the kernel's stacks are stopped from outside; `null` if there are none. */
export function standsStill(stacks: string): boolean | null {
  const tasks = stacks.split('\n\n').filter((stack) => stack.includes('/kernel.(*Task).run('))
  return tasks.length === 0 ? null : tasks.every((stack) => stack.includes('/kernel.(*Task).doStop('))
}

/** Where the kernel of a container takes orders, as runsc's own file says; `null` if it cannot be reached there. */
export function findControlSocket(root: string): string | null {
  try {
    const name = readdirSync(root).find((file) => file.endsWith('.state'))
    const state = JSON.parse(readFileSync(`${root}/${name}`, 'utf8')) as { sandbox?: { controlSocketPath?: unknown } }
    const path = state.sandbox?.controlSocketPath
    // Elsewhere it would be shared with other containers.
    return typeof path === 'string' && path.startsWith(`${root}/`) && fitsSocket(path) ? path : null
  } catch {
    // ENOENT or another format: the commands work all the same.
    return null
  }
}
