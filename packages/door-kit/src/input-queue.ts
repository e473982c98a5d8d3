/** Bytes of a client that may be on their way into a process before no more is taken from it */
const WINDOW_BYTES = 256 * 1024

/** Where messages come from: a WebSocket, or what can be stopped like one. */
export interface InputSource {
  pause(): void
  resume(): void
}

/** What a client asks of a process, one thing after the other. While much of it is under way, nothing more is taken from the client. */
export class InputQueue {
  readonly #source: InputSource
  readonly #failed: (thrown: unknown) => void
  #last: Promise<void> = Promise.resolve()
  #bytes = 0

  /** `failed` is told what work rejects with; what was added behind it is done all the same. */
  constructor(source: InputSource, failed: (thrown: unknown) => void) {
    this.#source = source
    this.#failed = failed
  }

  /** Does the work once what was added before is done. `bytes` is the size of the message that asked for it. */
  add(bytes: number, work: () => Promise<void>): void {
    this.#bytes += bytes
    if (this.#bytes > WINDOW_BYTES) this.#source.pause()
    this.#last = this.#last
      .then(work)
      .catch(this.#failed)
      .finally(() => {
        this.#bytes -= bytes
        if (this.#bytes <= WINDOW_BYTES) this.#source.resume()
      })
  }
}
