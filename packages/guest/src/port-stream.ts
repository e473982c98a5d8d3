import { Duplex } from 'node:stream'
import type { Channel } from './channel.ts'

/** A TCP connection inside the guest, as a stream; each direction ends by itself. */
export class PortStream extends Duplex {
  readonly #channel: Channel
  #reading = false

  constructor(channel: Channel) {
    super({ allowHalfOpen: true, readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 })
    this.#channel = channel
  }

  override _read(): void {
    if (this.#reading) return
    this.#reading = true
    this.#channel.read().then(
      (piece) => {
        this.#reading = false
        this.push(piece?.type === 'data' ? piece.data : null)
      },
      (error) => this.destroy(error),
    )
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#channel.send(chunk).then(() => done(), done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.end()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#channel.cancel()
    done(error)
  }
}
