const HEAD_SHARE = 1 / 3

/** Keeps the beginning and the end of a text of any length, within so many bytes: there is what it was about, and how it ended. */
export class OutputWindow {
  readonly #headBytes: number
  readonly #tailBytes: number
  #head: Buffer[] = []
  #headUsed = 0
  #tail: Buffer[] = []
  #tailUsed = 0
  #total = 0

  constructor(maxBytes: number) {
    this.#headBytes = Math.floor(maxBytes * HEAD_SHARE)
    this.#tailBytes = maxBytes - this.#headBytes
  }

  add(data: Buffer): void {
    this.#total += data.length
    const first = data.subarray(0, this.#headBytes - this.#headUsed)
    if (first.length > 0) {
      this.#head.push(first)
      this.#headUsed += first.length
    }
    const rest = data.subarray(first.length)
    if (rest.length === 0) return
    this.#tail.push(rest)
    this.#tailUsed += rest.length
    // One piece more than needed is kept whole; cutting each time would copy everything again and again.
    for (let oldest = this.#tail[0]; oldest !== undefined && this.#tailUsed - oldest.length >= this.#tailBytes; ) {
      this.#tail.shift()
      this.#tailUsed -= oldest.length
      oldest = this.#tail[0]
    }
  }

  /** What a reader came too late for. */
  skip(bytes: number): void {
    this.#total += bytes
  }

  get heldBytes(): number {
    return this.#headUsed + this.#tailUsed
  }

  get text(): string {
    const head = Buffer.concat(this.#head)
    const all = Buffer.concat(this.#tail)
    const tail = all.subarray(Math.max(0, all.length - this.#tailBytes))
    const left = this.#total - head.length - tail.length
    if (left === 0) return Buffer.concat([head, tail]).toString()
    return `${wholeEnd(head)}\n… ${left} bytes left out …\n${wholeStart(tail)}`
  }
}

/** Without a character cut in two. */
function wholeEnd(data: Buffer): string {
  return new TextDecoder().decode(data, { stream: true })
}

function wholeStart(data: Buffer): string {
  let cut = 0
  while (cut < Math.min(3, data.length) && ((data[cut] as number) & 0xc0) === 0x80) cut++
  return data.subarray(cut).toString()
}
