/**
 * Reads ahead of a consumer that may come late or never. Holds `limitBytes`; while a consumer is there and slower than the
 * source, the source waits. With no consumer it stops when it is full or `unattendedMs` are over, and frees the source:
 * a handle nobody reads must hold back neither the process nor the program's own end.
 */
export class Prefetch<T> {
  readonly #source: AsyncGenerator<T[]>
  readonly #stop: () => void
  readonly #sizeOf: (item: T) => number
  readonly #limitBytes: number
  readonly #unattendedMs: number
  #queue: T[] = []
  #queuedBytes = 0
  #attended = false
  #ended = false
  #failure: { thrown: unknown } | null = null
  #wake: (() => void)[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `stop` must make a pending `source.next()` settle. */
  constructor(
    source: AsyncGenerator<T[]>,
    stop: () => void,
    sizeOf: (item: T) => number,
    { limitBytes = 4 * 1024 * 1024, unattendedMs = 2_000 } = {},
  ) {
    this.#source = source
    this.#stop = stop
    this.#sizeOf = sizeOf
    this.#limitBytes = limitBytes
    this.#unattendedMs = unattendedMs
    this.#leave()
    // Never rejects: a failure is kept for the consumer.
    void this.#pump()
  }

  /** Everything left is in no queue any more: what comes next must be fetched anew. */
  get drained(): boolean {
    return this.#ended && this.#queue.length === 0
  }

  /** What was read ahead and what comes, until the source ends, fails or was stopped. */
  async *drain(signal?: AbortSignal): AsyncGenerator<T> {
    this.#attended = true
    clearTimeout(this.#timer)
    this.#signal()
    const onAbort = () => this.#signal()
    signal?.addEventListener('abort', onAbort)
    try {
      for (;;) {
        signal?.throwIfAborted()
        const item = this.#queue.shift()
        if (item !== undefined) {
          this.#queuedBytes -= this.#sizeOf(item)
          this.#signal()
          yield item
        } else if (this.#failure !== null) {
          const { thrown } = this.#failure
          this.#failure = null
          throw thrown
        } else if (this.#ended) return
        else await this.#change()
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#leave()
    }
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        while (this.#queuedBytes >= this.#limitBytes && this.#attended) await this.#change()
        if (this.#queuedBytes >= this.#limitBytes) break
        const next = await this.#source.next()
        if (next.done) break
        for (const item of next.value) {
          this.#queue.push(item)
          this.#queuedBytes += this.#sizeOf(item)
        }
        this.#signal()
      }
    } catch (thrown) {
      // Stopped because nobody reads: the next reader starts anew and meets what still fails.
      if (!this.#ended) this.#failure = { thrown }
    }
    this.#end()
  }

  #leave(): void {
    this.#attended = false
    this.#timer = setTimeout(() => this.#end(), this.#unattendedMs)
    if (this.#ended) clearTimeout(this.#timer)
    this.#signal()
  }

  #end(): void {
    clearTimeout(this.#timer)
    if (!this.#ended) {
      this.#ended = true
      this.#stop()
    }
    this.#signal()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  #signal(): void {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }
}
