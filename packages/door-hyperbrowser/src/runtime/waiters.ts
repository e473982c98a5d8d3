/** Those who wait until something has changed. */
export class Waiters {
  readonly #waiting = new Set<() => void>()

  wake(): void {
    for (const wake of this.#waiting) wake()
  }

  /** Resolves at the next change, when `signal` is or was aborted, or after so many milliseconds. */
  async next(signal: AbortSignal, ms: number | null = null): Promise<void> {
    if (signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => resolve()
    const timer = ms === null ? undefined : setTimeout(wake, Math.min(ms, 2 ** 31 - 1))
    this.#waiting.add(wake)
    signal.addEventListener('abort', wake)
    await promise
    this.#waiting.delete(wake)
    // A signal may outlive many waits.
    signal.removeEventListener('abort', wake)
    clearTimeout(timer)
  }
}
