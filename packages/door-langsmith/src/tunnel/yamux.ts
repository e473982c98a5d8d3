import { Duplex } from 'node:stream'

/**
 * The accepting side of yamux, version 0: many byte streams over one. A frame is
 *
 *     version 1 | type 1 | flags 2 | stream 4 | length 4      big-endian; of data frames `length` bytes follow
 */
const HEADER_BYTES = 12
/** Bytes that either side may send on a stream before it hears that they were read */
const WINDOW_BYTES = 256 * 1024
const MAX_FRAME_BYTES = 64 * 1024
const PIECE_BYTES = 16 * 1024
const MAX_STREAMS = 256

const TYPE = { data: 0, window: 1, ping: 2, goAway: 3 } as const
const FLAG = { syn: 1, ack: 2, fin: 4, rst: 8 } as const

/** Ends with the transport, and ends it where the other side breaks the protocol. */
export class YamuxSession {
  readonly #transport: Duplex
  readonly #accept: (stream: Duplex) => void
  readonly #streams = new Map<number, YamuxStream>()
  #pieces: Buffer[] = []
  #arrived = 0
  /** Bytes that have to be there before there is a next frame, or to know how long it is */
  #needed = HEADER_BYTES

  constructor(transport: Duplex, accept: (stream: Duplex) => void) {
    this.#transport = transport
    this.#accept = accept
    transport.on('data', (chunk: Buffer) => {
      this.#pieces.push(chunk)
      this.#arrived += chunk.length
      // Joined once for a frame, however small its pieces are.
      if (this.#arrived < this.#needed) return
      const rest = this.#take(this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces))
      if (rest === null) return void transport.destroy()
      this.#pieces = rest.length === 0 ? [] : [rest]
      this.#arrived = rest.length
      if (!transport.writableNeedDrain) return
      // Who has questions and leaves the answers lying is not heard until they are taken.
      transport.pause()
      transport.once('drain', () => transport.resume())
    })
    const end = () => {
      for (const stream of this.#streams.values()) stream.cut()
      this.#streams.clear()
      transport.destroy()
    }
    // Harmless: `close` follows, which is what ends the streams.
    transport.on('error', () => {})
    transport.once('end', end).once('close', end)
  }

  send(type: number, flags: number, stream: number, length: number, data?: Buffer, done?: () => void): void {
    const header = Buffer.alloc(HEADER_BYTES)
    header.writeUInt8(type, 1)
    header.writeUInt16BE(flags, 2)
    header.writeUInt32BE(stream, 4)
    header.writeUInt32BE(length, 8)
    if (this.#transport.destroyed || this.#transport.writableEnded) done?.()
    else this.#transport.write(data === undefined ? header : Buffer.concat([header, data]), () => done?.())
  }

  forget(id: number): void {
    this.#streams.delete(id)
  }

  /** Takes all frames that are whole, and gives what is left. `null` if one is not as it must be. */
  #take(bytes: Buffer): Buffer | null {
    let rest = bytes
    for (;;) {
      this.#needed = HEADER_BYTES
      if (rest.length < HEADER_BYTES) return rest
      const [version, type] = [rest.readUInt8(0), rest.readUInt8(1)]
      const flags = rest.readUInt16BE(2)
      const id = rest.readUInt32BE(4)
      const length = rest.readUInt32BE(8)
      const body = type === TYPE.data ? length : 0
      if (version !== 0 || type > TYPE.goAway || body > WINDOW_BYTES) return null
      this.#needed = HEADER_BYTES + body
      if (rest.length < this.#needed) return rest
      const data = rest.subarray(HEADER_BYTES, this.#needed)
      rest = rest.subarray(this.#needed)
      if (type === TYPE.ping) {
        if (flags & FLAG.syn) this.send(TYPE.ping, FLAG.ack, 0, length)
      } else if (type !== TYPE.goAway && !this.#frame(type, flags, id, length, data)) return null
    }
  }

  #frame(type: number, flags: number, id: number, length: number, data: Buffer): boolean {
    if (flags & FLAG.syn) {
      // Who opens them numbers them oddly; each number once.
      if (id % 2 !== 1 || this.#streams.has(id)) return false
      if (this.#streams.size >= MAX_STREAMS) {
        this.send(TYPE.window, FLAG.rst, id, 0)
        return true
      }
      const stream = new YamuxStream(this, id)
      this.#streams.set(id, stream)
      this.send(TYPE.window, FLAG.ack, id, 0)
      this.#accept(stream)
    }
    // One that is over here may still be spoken of by the other side.
    const stream = this.#streams.get(id)
    if (stream === undefined) return true
    if (type === TYPE.window) stream.mayWrite(length)
    else if (!stream.arrive(data)) return false
    if (flags & FLAG.rst) stream.cut()
    else if (flags & FLAG.fin) stream.arriveEnd()
    return true
  }
}

class YamuxStream extends Duplex {
  readonly #session: YamuxSession
  readonly #id: number
  readonly #arrived: (Buffer | null)[] = []
  /** Bytes that the other side may still send, and those that were read since it was told */
  #receiveWindow = WINDOW_BYTES
  #read = 0
  #sendWindow = WINDOW_BYTES
  #wanted = false
  /** The other side has said its last */
  #ended = false
  #resume: (() => void) | null = null
  #cut = false

  constructor(session: YamuxSession, id: number) {
    super({ allowHalfOpen: true })
    this.#session = session
    this.#id = id
    // Harmless: whoever uses it is told by `close`.
    this.on('error', () => {})
  }

  /** False for more than it was allowed, and for what comes behind its end. */
  arrive(data: Buffer): boolean {
    if (data.length > this.#receiveWindow || (this.#ended && data.length > 0)) return false
    this.#receiveWindow -= data.length
    // In pieces: one counts as read when it goes on, not what came with it.
    for (let at = 0; at < data.length; at += PIECE_BYTES) this.#arrived.push(data.subarray(at, at + PIECE_BYTES))
    this.#give()
    return true
  }

  arriveEnd(): void {
    if (this.#ended) return
    this.#ended = true
    this.#arrived.push(null)
    this.#give()
  }

  mayWrite(more: number): void {
    this.#sendWindow += more
    this.#resume?.()
  }

  /** The other side, or the whole session, is gone. */
  cut(): void {
    this.#cut = true
    this.destroy()
  }

  override _read(): void {
    this.#wanted = true
    this.#give()
  }

  #give(): void {
    while (this.#wanted && this.#arrived.length > 0) {
      const next = this.#arrived.shift() ?? null
      this.#wanted = this.push(next)
      if (next === null) return
      this.#read += next.length
      if (this.#read < WINDOW_BYTES / 2) continue
      this.#session.send(TYPE.window, 0, this.#id, this.#read)
      this.#receiveWindow += this.#read
      this.#read = 0
    }
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#resume = null
    if (chunk.length === 0 || this.destroyed) {
      done()
      return
    }
    const length = Math.min(chunk.length, this.#sendWindow, MAX_FRAME_BYTES)
    const rest = chunk.subarray(length)
    const next = () => this._write(rest, _encoding, done)
    if (length === 0) {
      this.#resume = next
      return
    }
    this.#sendWindow -= length
    this.#session.send(TYPE.data, 0, this.#id, length, chunk.subarray(0, length), next)
  }

  override _final(done: () => void): void {
    this.#session.send(TYPE.data, FLAG.fin, this.#id, 0, undefined, done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#session.forget(this.#id)
    const isOver = this.readableEnded && this.writableFinished
    if (!this.#cut && !isOver) this.#session.send(TYPE.window, FLAG.rst, this.#id, 0)
    this.#resume?.()
    done(error)
  }
}
