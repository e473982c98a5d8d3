/** Work on one thing at a time, in the order that it was asked for. */
export class Turns<Key> {
  readonly #last = new Map<Key, Promise<unknown>>()

  /** Begins when all that was asked for before it of this key has ended, however that did. */
  async take<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(key) ?? Promise.resolve()).then(work, work)
    this.#last.set(key, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key)
    }
  }
}
