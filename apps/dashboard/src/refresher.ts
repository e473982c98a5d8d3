/**
 * Asks again for what has become old: what comes together at once, and never again before the answers of the last time are
 * there. However much happens, one round is under way, and the next has all that came meanwhile.
 */
export class Refresher {
  readonly #refresh: (queryKey: string[]) => Promise<unknown>
  readonly #pauseMs: number
  readonly #waiting = new Map<string, string[]>()
  #running = false
  #ended = false

  constructor(refresh: (queryKey: string[]) => Promise<unknown>, pauseMs: number) {
    this.#refresh = refresh
    this.#pauseMs = pauseMs
  }

  add(queryKeys: readonly string[][]): void {
    for (const key of queryKeys) this.#waiting.set(key.join('/'), key)
    if (!this.#running && !this.#ended) void this.#run()
  }

  /** Forgets what waits. */
  end(): void {
    this.#ended = true
    this.#waiting.clear()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#waiting.size > 0 && !this.#ended) {
      await new Promise((resolve) => setTimeout(resolve, this.#pauseMs))
      const keys = [...this.#waiting.values()]
      this.#waiting.clear()
      // A failed answer is shown by the page that asked.
      await Promise.allSettled(keys.map((key) => this.#refresh(key)))
    }
    // At once: what comes from now on must find nobody running.
    this.#running = false
  }
}
