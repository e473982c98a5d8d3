/** Bytes of a stream as they are asked for; fewer, or none, at its end. */
export class ByteReader {
  readonly #pieces: AsyncIterator<Buffer>
  #piece: Buffer = Buffer.alloc(0)

  constructor(pieces: AsyncIterable<Buffer>) {
    this.#pieces = pieces[Symbol.asyncIterator]()
  }

  /** As they come. */
  async *pieces(bytes: number): AsyncGenerator<Buffer> {
    let left = bytes
    while (left > 0) {
      const piece = await this.#upTo(left)
      if (piece.length === 0) return
      left -= piece.length
      yield piece
    }
  }

  /** In one buffer. */
  async take(bytes: number): Promise<Buffer> {
    const taken: Buffer[] = []
    for await (const piece of this.pieces(bytes)) taken.push(piece)
    return Buffer.concat(taken)
  }

  async skip(bytes: number): Promise<void> {
    for await (const _ of this.pieces(bytes));
  }

  async #upTo(bytes: number): Promise<Buffer> {
    while (this.#piece.length === 0) {
      const { value, done } = await this.#pieces.next()
      if (done) return Buffer.alloc(0)
      this.#piece = value
    }
    const taken = this.#piece.subarray(0, bytes)
    this.#piece = this.#piece.subarray(taken.length)
    return taken
  }
}
