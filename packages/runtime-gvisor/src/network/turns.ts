/** Lets what is done to the same slot happen one after the other. */
export class Turns {
  readonly #last = new Map<number, Promise<unknown>>()

  async take<T>(slot: number, work: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(slot) ?? Promise.resolve()).then(work, work)
    this.#last.set(slot, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(slot) === mine) this.#last.delete(slot)
    }
  }
}
