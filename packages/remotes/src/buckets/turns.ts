export interface TurnsOptions {
  atOnce: number
  /** Of these by one party, however many turns are free */
  perParty: number
}

interface Waiting {
  party: string
  begin: () => void
}

/**
 * How many do something at a time. Who waits has its turn in the order of coming, but one party does not keep the others from
 * theirs: it has so many at most, and of those that wait the ones of who has fewest come first.
 */
export class Turns {
  readonly #options: TurnsOptions
  readonly #running = new Map<string, number>()
  readonly #waiting = new Set<Waiting>()
  #taken = 0

  constructor(options: TurnsOptions) {
    this.#options = options
  }

  /** Resolves when it is this one's turn, which is over when that is disposed of. Rejects with the reason of `signal`. */
  async take(party: string, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const one: Waiting = { party, begin: resolve }
    const leave = () => {
      this.#waiting.delete(one)
      reject(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    this.#waiting.add(one)
    this.#begin()
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
    const over = new DisposableStack()
    over.defer(() => this.#end(party))
    return over
  }

  #begin(): void {
    while (this.#taken < this.#options.atOnce) {
      const next = this.#next()
      if (next === null) return
      this.#waiting.delete(next)
      this.#taken += 1
      this.#running.set(next.party, this.#of(next.party) + 1)
      next.begin()
    }
  }

  #end(party: string): void {
    this.#taken -= 1
    const left = this.#of(party) - 1
    if (left === 0) this.#running.delete(party)
    else this.#running.set(party, left)
    this.#begin()
  }

  #next(): Waiting | null {
    let found: Waiting | null = null
    for (const one of this.#waiting) {
      if (this.#of(one.party) >= this.#options.perParty) continue
      if (found === null || this.#of(one.party) < this.#of(found.party)) found = one
    }
    return found
  }

  #of(party: string): number {
    return this.#running.get(party) ?? 0
  }
}
