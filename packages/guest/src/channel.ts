import { SpawnpointError } from '@spawnpoint/core'
import { parseJson } from './checks.ts'
import { FLAG_END, FLAG_MORE, frameType, INITIAL_WINDOW_BYTES, MAX_PAYLOAD_BYTES, ProtocolViolation } from './frames.ts'
import type { Session } from './session.ts'

/** Longest JSON text the guest may send, in bytes. */
const MAX_TEXT_BYTES = 1024 * 1024
/** Most pieces of a stream that wait for their reader; an honest agent stays far below. */
const MAX_QUEUED = 16 * 1024

export type Piece = { type: 'data'; data: Buffer } | { type: 'item'; value: unknown; bytes: number }

/**
 * One request to the guest and all that belongs to it: its answer, and a stream in each direction with credit of its
 * own. What the guest sends waits here, at most a window of it, until it is read.
 */
export class Channel {
  readonly id: number
  /** The guest's answer; rejects with what went wrong. */
  readonly answer: Promise<unknown>
  readonly #session: Session
  readonly #answered = Promise.withResolvers<unknown>()
  #hasAnswer = false
  #text: Buffer[] = []
  #textBytes = 0

  #queue: Piece[] = []
  #queuedBytes = 0
  #consumedBytes = 0
  #reader: (() => void) | null = null
  /** Why nothing more comes: `end` or an error */
  #over: 'end' | Error | null = null

  #credit = INITIAL_WINDOW_BYTES
  #sender: (() => void) | null = null
  #sentEnd: boolean

  constructor(session: Session, id: number, sentEnd: boolean) {
    this.#session = session
    this.id = id
    this.#sentEnd = sentEnd
    this.answer = this.#answered.promise
    // The answer may be abandoned together with its stream.
    this.answer.catch(() => {})
  }

  /** Whether both directions have ended. */
  get closed(): boolean {
    return this.#over instanceof Error || (this.#over === 'end' && this.#sentEnd)
  }

  /** Takes a frame of the guest; throws `ProtocolViolation`. */
  take(type: number, flags: number, payload: Buffer): void {
    if (this.#over !== null && type !== frameType.credit) throw new ProtocolViolation('frame behind the last one')
    switch (type) {
      case frameType.credit:
        if (payload.length !== 4) throw new ProtocolViolation('bad credit')
        this.#credit += payload.readUInt32LE(0)
        if (this.#credit > 2 ** 40) throw new ProtocolViolation('endless credit')
        this.#wakeSender()
        return
      case frameType.data:
        if (payload.length > 0) this.#enqueue({ type: 'data', data: payload }, payload.length)
        else if ((flags & FLAG_END) === 0) throw new ProtocolViolation('empty data')
        break
      case frameType.result:
      case frameType.item:
      case frameType.error: {
        const text = this.#joinText(flags, payload)
        if (text === null) return
        const value = parseJson(text)
        if (type === frameType.error) {
          this.fail(this.#session.toError(value))
          return
        }
        if (type === frameType.item) this.#enqueue({ type: 'item', value, bytes: text.length }, text.length)
        else if (this.#hasAnswer) throw new ProtocolViolation('second answer')
        else {
          this.#hasAnswer = true
          this.#answered.resolve(value)
        }
        break
      }
      default:
        throw new ProtocolViolation(`frame of type ${type}`)
    }
    if ((flags & FLAG_END) !== 0) {
      if (!this.#hasAnswer) throw new ProtocolViolation('end without an answer')
      this.#over = 'end'
      this.#wakeReader()
      // The guest answered before it read all: it does not want the rest.
      this.#wakeSender()
    }
  }

  #joinText(flags: number, payload: Buffer): Buffer | null {
    if ((flags & FLAG_MORE) === 0 && this.#textBytes === 0) return payload
    this.#textBytes += payload.length
    if (this.#textBytes > MAX_TEXT_BYTES) throw new ProtocolViolation('text too long')
    this.#text.push(payload)
    if (this.#text.length > MAX_TEXT_BYTES / 1024) throw new ProtocolViolation('text in too many pieces')
    if ((flags & FLAG_MORE) !== 0) return null
    const whole = Buffer.concat(this.#text)
    this.#text = []
    this.#textBytes = 0
    return whole
  }

  #enqueue(piece: Piece, bytes: number): void {
    this.#queuedBytes += bytes
    // A sender with credit left may go below zero by one frame.
    if (
      this.#queuedBytes + this.#consumedBytes > INITIAL_WINDOW_BYTES + MAX_TEXT_BYTES ||
      this.#queue.length >= MAX_QUEUED
    ) {
      throw new ProtocolViolation('more than its credit')
    }
    this.#queue.push(piece)
    this.#wakeReader()
  }

  #wakeReader(): void {
    const wake = this.#reader
    this.#reader = null
    wake?.()
  }

  #wakeSender(): void {
    const wake = this.#sender
    this.#sender = null
    wake?.()
  }

  /** The next piece that is there already. One reader at a time. */
  readNow(): Piece | undefined {
    const piece = this.#queue.shift()
    if (piece !== undefined) this.#consume(piece.type === 'data' ? piece.data.length : piece.bytes)
    return piece
  }

  /** The next piece of the stream, `null` at its end. One reader at a time. Rejects with what ended the channel. */
  async read(): Promise<Piece | null> {
    for (;;) {
      const piece = this.readNow()
      if (piece !== undefined) return piece
      if (this.#over === 'end') return null
      if (this.#over !== null) throw this.#over
      await new Promise<void>((resolve) => {
        this.#reader = resolve
      })
    }
  }

  /** Grants credit for what was read, in halves of a window. */
  #consume(bytes: number): void {
    this.#queuedBytes -= bytes
    this.#consumedBytes += bytes
    if (this.#consumedBytes >= INITIAL_WINDOW_BYTES / 2 && this.#over === null) {
      const grant = Buffer.allocUnsafe(4)
      grant.writeUInt32LE(this.#consumedBytes, 0)
      this.#consumedBytes = 0
      this.#session.writeControl(frameType.credit, 0, this.id, grant)
    }
  }

  /** Sends bytes, as fast as the guest takes them. Resolves early if the guest has answered already. */
  async send(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; ) {
      while (this.#credit <= 0 && this.#over === null) {
        await new Promise<void>((resolve) => {
          this.#sender = resolve
        })
      }
      await this.#session.writable()
      if (this.#over === 'end') return
      if (this.#over !== null) throw this.#over
      const part = data.subarray(at, at + MAX_PAYLOAD_BYTES)
      this.#credit -= part.length
      this.#session.writeControl(frameType.data, 0, this.id, part)
      at += part.length
    }
  }

  /** Counts bytes that went out together with the request. */
  spent(bytes: number): void {
    this.#credit -= bytes
  }

  /** Says that nothing more is sent. Idempotent. */
  end(): void {
    if (this.#sentEnd || this.#over instanceof Error) return
    this.#sentEnd = true
    this.#session.writeControl(frameType.data, FLAG_END, this.id, Buffer.alloc(0))
    if (this.closed) this.#session.forget(this)
  }

  /** Ends the channel from our side; what waits is dropped. Idempotent. */
  cancel(reason?: Error): void {
    if (this.closed) {
      this.#queue = []
      return
    }
    this.#session.writeControl(frameType.cancel, 0, this.id, Buffer.alloc(0))
    this.fail(reason ?? new SpawnpointError('cancelled', 'The stream was let go', { what: 'stream' }))
    this.#queue = []
    this.#session.forget(this)
  }

  /** Ends the channel with an error; what has come already can still be read. */
  fail(error: Error): void {
    if (this.#over === null) this.#over = error
    this.#answered.reject(error)
    this.#wakeReader()
    this.#wakeSender()
  }
}
