/** A piece of text, and the position of its first byte in the text of its stream. */
export interface TextPiece {
  offset: number
  data: string
}

/**
 * The output of a process as text that never ends within a character. Positions count the bytes of that text in UTF-8: the
 * client adds the length of what it was sent, and comes back for what follows. What is no UTF-8 becomes U+FFFD, three bytes
 * long, so such positions differ from those in the output itself, and a reader who comes back is served from its beginning.
 */
export class Utf8Stream {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #rest: Buffer = Buffer.alloc(0)
  #at = 0
  #afterGap = false
  /** First byte that is wanted */
  readonly #from: number

  constructor(from = 0) {
    this.#from = from
  }

  push(data: Buffer): TextPiece | null {
    const bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data])
    const begin = this.#afterGap ? this.#continuation(bytes) : 0
    this.#afterGap &&= begin === bytes.length
    const end = begin + wholeLength(bytes.subarray(begin))
    this.#rest = Buffer.from(bytes.subarray(end))
    return this.#emit(bytes.subarray(begin, end))
  }

  /** So many bytes of the output are not kept any more. */
  gap(bytes: number): void {
    this.#at += this.#rest.length + bytes
    this.#rest = Buffer.alloc(0)
    this.#afterGap = true
  }

  /** What is left of a character that was never ended. */
  end(): TextPiece | null {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return this.#emit(rest)
  }

  /** Of the first bytes after a gap, those that belong to a character that began in it. */
  #continuation(bytes: Buffer): number {
    let length = 0
    while (length < Math.min(3, bytes.length) && isContinuation(bytes[length])) length += 1
    this.#at += length
    return length
  }

  #emit(bytes: Buffer): TextPiece | null {
    if (bytes.length === 0) return null
    const data = this.#decoder.decode(bytes)
    const offset = this.#at
    this.#at += Buffer.byteLength(data)
    if (offset >= this.#from) return { offset, data }
    if (this.#at <= this.#from) return null
    return {
      offset: this.#from,
      data: Buffer.from(data)
        .subarray(this.#from - offset)
        .toString(),
    }
  }
}

/** How many bytes end with a whole character; what can become none in any case counts as whole. */
function wholeLength(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0
    if (isContinuation(byte)) continue
    const length = byte >= 0xf0 && byte <= 0xf4 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1
    return byte <= 0xf4 && length > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
