export interface FairTurnsOptions {
  atOnce: number
  /** Of these by one party, however many turns are free */
  perParty: number
}

/** Over when it is disposed of. */
export interface FairTurn extends Disposable {
  /** It counts for so many from now on; for more only if it counted too little. */
  weigh(weight: number): void
}

interface Waiting {
  party: string
  weight: number
  begin: () => void
}

/**
 * How many do something at a time. Who waits has its turn in the order of coming, but one party does not keep the others from
 * theirs: it has so many at most, and of those that wait the ones of who has fewest come first. What is heavy counts as several; it
 * is waited for by what came later, or it would never have its turn.
 */
export class FairTurns {
  readonly #options: FairTurnsOptions
  readonly #running = new Map<string, number>()
  readonly #waiting = new Set<Waiting>()
  #taken = 0

  constructor(options: FairTurnsOptions) {
    this.#options = options
  }

  /** Turns that are taken, by weight */
  get taken(): number {
    return this.#taken
  }

  /** Resolves when it is this one's turn. Rejects with the reason of `signal`. Preconditions: the weight fits into one party's. */
  async take(party: string, signal: AbortSignal, weight = 1): Promise<FairTurn> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const one: Waiting = { party, weight, begin: resolve }
    const leave = () => {
      // Others may have waited behind it.
      if (this.#waiting.delete(one)) this.#begin()
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
    let held = weight
    const weigh = (now: number) => {
      const more = now - held
      held = now
      this.#add(party, more)
    }
    const over = new DisposableStack()
    over.defer(() => weigh(0))
    return {
      weigh: (now) => {
        if (!over.disposed) weigh(now)
      },
      [Symbol.dispose]: () => over.dispose(),
    }
  }

  #begin(): void {
    for (let next = this.#next(); next !== null; next = this.#next()) {
      if (this.#taken + next.weight > this.#options.atOnce) return
      this.#waiting.delete(next)
      this.#count(next.party, next.weight)
      next.begin()
    }
  }

  #add(party: string, weight: number): void {
    this.#count(party, weight)
    if (weight < 0) this.#begin()
  }

  #count(party: string, weight: number): void {
    this.#taken += weight
    const now = this.#of(party) + weight
    if (now === 0) this.#running.delete(party)
    else this.#running.set(party, now)
  }

  #next(): Waiting | null {
    let found: Waiting | null = null
    /** Whose first one does not fit: what they have asked for since waits for it */
    const full = new Set<string>()
    for (const one of this.#waiting) {
      if (full.has(one.party)) continue
      if (this.#of(one.party) + one.weight > this.#options.perParty) full.add(one.party)
      else if (found === null || this.#of(one.party) < this.#of(found.party)) found = one
    }
    return found
  }

  #of(party: string): number {
    return this.#running.get(party) ?? 0
  }
}
