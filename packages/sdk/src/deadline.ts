import { TimeoutError } from './errors.ts'

/**
 * One clock and one signal for a call and its repeats. `signal` fires when the caller cancels or time is up; `cause`
 * then says which. Call `release` at the end: it frees the timer and the listener on the caller's signal.
 */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #what: string
  readonly #timeoutMs: number
  readonly #endsAt: number
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #onOuterAbort = () => this.#controller.abort(this.#outer?.reason)

  constructor(what: string, timeoutMs: number, outer?: AbortSignal) {
    this.#what = what
    this.#timeoutMs = timeoutMs
    this.#outer = outer
    this.#endsAt = timeoutMs > 0 ? performance.now() + timeoutMs : Number.POSITIVE_INFINITY
    if (timeoutMs > 0) this.#timer = setTimeout(() => this.#controller.abort(this.#timeout()), timeoutMs)
    if (outer?.aborted) this.#controller.abort(outer.reason)
    else outer?.addEventListener('abort', this.#onOuterAbort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get remainingMs(): number {
    return this.#endsAt - performance.now()
  }

  /** Stops the clock; the caller's signal goes on to count (a response that streams has no deadline). */
  stopClock(): void {
    clearTimeout(this.#timer)
  }

  /** Fires the signal with a reason of its own: whatever still goes on is not wanted any more. */
  letGo(reason: Error): void {
    this.release()
    this.#controller.abort(reason)
  }

  release(): void {
    clearTimeout(this.#timer)
    this.#outer?.removeEventListener('abort', this.#onOuterAbort)
  }

  /** Waits, or throws the reason of the signal; throws the timeout at once if the wait would outlast it. */
  async pause(ms: number): Promise<void> {
    if (ms >= this.remainingMs) throw this.#timeout()
    await sleep(ms, this.signal)
  }

  #timeout(): TimeoutError {
    return new TimeoutError('timeout', `${this.#what} took longer than ${this.#timeoutMs} ms`, {
      what: this.#what,
      timeoutMs: this.#timeoutMs,
    })
  }
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
