export interface Sample {
  /** Epoch milliseconds */
  atMs: number
  cpuUsedPercent: number
  memoryUsedBytes: number
  memoryCacheBytes: number
  diskUsedBytes: number
}

const FIELDS = ['atMs', 'cpuUsedPercent', 'memoryUsedBytes', 'memoryCacheBytes', 'diskUsedBytes'] as const
const FIRST_ROWS = 16

/** The newest so many samples of one sandbox, as bare numbers: there may be thousands of these. */
export class SampleRing implements Iterable<Sample> {
  readonly #most: number
  #numbers = new Float64Array(FIRST_ROWS * FIELDS.length)
  /** Samples added ever */
  #added = 0

  constructor(most: number) {
    this.#most = most
  }

  add(sample: Sample): void {
    if (this.#added === this.#rows && this.#rows < this.#most) {
      const more = new Float64Array(Math.min(this.#most, this.#rows * 2) * FIELDS.length)
      more.set(this.#numbers)
      this.#numbers = more
    }
    const start = (this.#added % this.#rows) * FIELDS.length
    for (const [n, field] of FIELDS.entries()) this.#numbers[start + n] = sample[field]
    this.#added += 1
  }

  /** Epoch milliseconds; 0 of an empty one. */
  get newestMs(): number {
    return this.#added === 0 ? 0 : this.#row(this.#added - 1).atMs
  }

  /** Oldest first. */
  *[Symbol.iterator](): Iterator<Sample> {
    for (let n = Math.max(0, this.#added - this.#rows); n < this.#added; n += 1) yield this.#row(n)
  }

  get #rows(): number {
    return this.#numbers.length / FIELDS.length
  }

  #row(n: number): Sample {
    const start = (n % this.#rows) * FIELDS.length
    const [atMs = 0, cpuUsedPercent = 0, memoryUsedBytes = 0, memoryCacheBytes = 0, diskUsedBytes = 0] =
      this.#numbers.subarray(start, start + FIELDS.length)
    return { atMs, cpuUsedPercent, memoryUsedBytes, memoryCacheBytes, diskUsedBytes }
  }
}
