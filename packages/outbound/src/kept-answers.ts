/** Before a credential ends it is got anew, in milliseconds */
const MARGIN_MS = 60_000
const MAX_KEPT = 256

interface Kept<T> {
  answer: Promise<{ value: T; forMs: number }>
  /** By `performance.now()`; `Infinity` while it is under way */
  until: number
}

/** Answers of services, each asked for once at a time and kept as long as what it is for, or until it ends. */
export class KeptAnswers<T> {
  readonly #of = new WeakMap<object, Map<string, Kept<T>>>()

  /** What `ask` gives, or has given to an earlier call with the same key. Rejects what it rejects; the next call asks again. */
  async get(owner: object, key: string, ask: () => Kept<T>['answer']): Promise<T> {
    const kept = this.#of.get(owner) ?? new Map<string, Kept<T>>()
    this.#of.set(owner, kept)
    const before = kept.get(key)
    if (before !== undefined && before.until > performance.now()) return (await before.answer).value
    const mine: Kept<T> = { answer: ask(), until: Number.POSITIVE_INFINITY }
    const [oldest] = kept.keys()
    if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest)
    kept.set(key, mine)
    try {
      const { value, forMs } = await mine.answer
      mine.until = performance.now() + forMs
      return value
    } catch (error) {
      if (kept.get(key) === mine) kept.delete(key)
      throw error
    }
  }

  /** As `get`, for what a service says how long it is good for. */
  getUntil(owner: object, key: string, ask: () => Kept<T>['answer']): Promise<T> {
    return this.get(owner, key, async () => {
      const { value, forMs } = await ask()
      return { value, forMs: forMs - MARGIN_MS }
    })
  }
}
