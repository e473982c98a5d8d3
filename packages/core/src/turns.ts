/** Work on one thing at a time, in the order that it was asked for. */
export class Turns<Key> {
  readonly #last = new Map<Key, Promise<unknown>>()

  /**
   * Begins when all that was asked for before it of this key has ended, however that did. Rejects with the signal's reason, and does
   * nothing, if that is aborted before the turn comes.
   */
  async take<T>(key: Key, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const begin = async () => {
      signal?.throwIfAborted()
      return work()
    }
    const mine = (this.#last.get(key) ?? Promise.resolve()).then(begin, begin)
    this.#last.set(key, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key)
    }
  }
}
