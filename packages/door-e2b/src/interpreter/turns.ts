/** Work that must not overlap takes turns by key, in the order it came. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>()

  /** Rejects with the signal's reason, and does nothing, if it is aborted before the turn comes. */
  async take<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#last.get(key)
    const done = Promise.withResolvers<void>()
    const last = (before ?? Promise.resolve()).then(() => done.promise)
    this.#last.set(key, last)
    void last.then(() => {
      if (this.#last.get(key) === last) this.#last.delete(key)
    })
    try {
      await before
      signal?.throwIfAborted()
      return await work()
    } finally {
      done.resolve()
    }
  }
}
