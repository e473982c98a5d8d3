/** Wakes everyone who waits for "something changed"; they look for themselves whether it concerns them. */
export class Bell {
  #next = Promise.withResolvers<void>()

  wait(): Promise<void> {
    return this.#next.promise
  }

  ring(): void {
    const rung = this.#next
    this.#next = Promise.withResolvers()
    rung.resolve()
  }
}
