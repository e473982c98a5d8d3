/** Time that only a test moves. Has the shape of the core's `Clock`. */
export class FakeClock {
  #nowMs: number
  /** By how much the clock was set, in milliseconds */
  #setByMs = 0
  #timers: { atMs: number; fn: () => void }[] = []

  constructor(start: Date = new Date('2026-01-01T00:00:00Z')) {
    this.#nowMs = start.getTime()
  }

  now(): Date {
    return new Date(this.#nowMs)
  }

  uptimeMs(): number {
    return this.#nowMs - this.#setByMs
  }

  after(ms: number, fn: () => void): Disposable {
    const timer = { atMs: this.#nowMs + Math.max(0, ms), fn }
    this.#timers.push(timer)
    return {
      [Symbol.dispose]: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  /** How many timers wait; a test of clean-up expects none. */
  get waiting(): number {
    return this.#timers.length
  }

  /** The clock is set, or the machine slept: timers know nothing of it. */
  set(byMs: number): void {
    this.#nowMs += byMs
    this.#setByMs += byMs
    for (const timer of this.#timers) timer.atMs += byMs
  }

  /** Moves time on and fires what becomes due, in order; timers set meanwhile fire too if they are due. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (;;) {
      const next = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (!next) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.fn()
    }
    this.#nowMs = untilMs
  }
}
