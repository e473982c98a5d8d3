import type { IncomingMessage } from 'node:http'

type Pair = readonly [name: string, value: string]

/** A guest's request as it is about to go out. */
export interface OutgoingRequest {
  method: string
  host: string
  port: 80 | 443
  /** As the request line has it */
  target: string
  headers: readonly Pair[]
  body: RequestBody
}

/** What goes out instead of what the guest said. */
export interface Authorized {
  set: { name: string; value: string }[]
  /** Lower case */
  drop?: readonly string[]
  target?: string
}

/** Nothing can be put into a request: it is refused with this answer. */
export class NotAuthorized extends Error {
  readonly status: number

  constructor(status: number, reason: string) {
    super(reason)
    this.status = status
  }
}

/** Of all guests together, and of one: what is read before it goes on is held in memory */
const MAX_HELD_BYTES = 256 * 2 ** 20
const MAX_HELD_OF_ONE_BYTES = 64 * 2 ** 20
let held = 0
const heldOf = new WeakMap<object, number>()

/** A body that can be looked at before it goes on. Disposed once the request is over. */
export class RequestBody implements Disposable {
  readonly #request: IncomingMessage
  readonly #isThere: boolean
  readonly #guest: object
  #held = 0
  /** All of it, if it was read to its end */
  whole: Buffer | null = null

  constructor(request: IncomingMessage, isThere: boolean, guest: object) {
    this.#request = request
    this.#isThere = isThere
    this.#guest = guest
  }

  /** All of it, or its first `max` bytes if it is longer; those go on with the rest. */
  async peek(max: number): Promise<{ bytes: Buffer; isWhole: boolean }> {
    if (this.whole !== null) return { bytes: this.whole.subarray(0, max), isWhole: this.whole.length <= max }
    if (!this.#isThere) return { bytes: Buffer.alloc(0), isWhole: true }
    const own = heldOf.get(this.#guest) ?? 0
    if (held + max > MAX_HELD_BYTES || own + max > MAX_HELD_OF_ONE_BYTES)
      throw new NotAuthorized(503, 'too many bodies wait to be signed')
    this.#hold(max)
    const chunks: Buffer[] = []
    let length = 0
    while (length <= max) {
      const chunk: unknown = this.#request.read()
      if (Buffer.isBuffer(chunk)) {
        chunks.push(chunk)
        length += chunk.length
      } else if (this.#request.readableEnded) {
        this.whole = Buffer.concat(chunks)
        return { bytes: this.whole, isWhole: true }
      } else {
        await readable(this.#request)
      }
    }
    const bytes = Buffer.concat(chunks)
    this.#request.unshift(bytes)
    return { bytes: bytes.subarray(0, max), isWhole: false }
  }

  #hold(bytes: number): void {
    held += bytes
    heldOf.set(this.#guest, (heldOf.get(this.#guest) ?? 0) + bytes)
    this.#held += bytes
  }

  [Symbol.dispose](): void {
    this.#hold(-this.#held)
  }
}

/** Something to read, or the end. Rejects if the guest goes away. */
async function readable(request: IncomingMessage): Promise<void> {
  const ready = Promise.withResolvers<void>()
  const gone = () => ready.reject(new NotAuthorized(400, 'the request was broken off'))
  const come = () => ready.resolve()
  request.once('readable', come).once('end', come).once('close', gone).once('error', gone)
  try {
    if (request.destroyed && !request.readableEnded) gone()
    await ready.promise
  } finally {
    request.off('readable', come).off('end', come).off('close', gone).off('error', gone)
  }
}
