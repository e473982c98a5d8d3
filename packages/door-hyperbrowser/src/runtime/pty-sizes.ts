interface Size {
  rows: number
  cols: number
}

/** Of one server; the oldest go first, and are then told as 0 */
const MAX = 4_000

/** Sizes of terminals as they were last set here; the agent does not tell them. */
export class PtySizes {
  readonly #sizes = new Map<string, Size>()

  set(sandbox: string, id: string, size: Size): void {
    const key = `${sandbox} ${id}`
    this.#sizes.delete(key)
    this.#sizes.set(key, { rows: size.rows, cols: size.cols })
    const [oldest] = this.#sizes.keys()
    if (this.#sizes.size > MAX && oldest !== undefined) this.#sizes.delete(oldest)
  }

  get(sandbox: string, id: string): Size | null {
    return this.#sizes.get(`${sandbox} ${id}`) ?? null
  }
}
