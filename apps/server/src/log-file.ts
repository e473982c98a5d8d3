import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

const MAX_BYTES = 32 * 2 ** 20

/**
 * A log in a file, line by line. One that has become too long is put aside as `PATH.1`, in the place of the one before, so that
 * both together take twice `maxBytes` at most.
 */
export class LogFile implements Disposable {
  readonly #path: string
  readonly #maxBytes: number
  #fd: number
  #bytes: number

  constructor(path: string, maxBytes = MAX_BYTES) {
    this.#path = path
    this.#maxBytes = maxBytes
    mkdirSync(dirname(path), { recursive: true })
    this.#fd = openSync(path, 'a')
    this.#bytes = fstatSync(this.#fd).size
  }

  /** What cannot be written is lost: a full disk is no reason for whatever was to be logged to fail. */
  write(line: string): void {
    try {
      const bytes = Buffer.from(line)
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) this.#putAside()
      this.#bytes += writeSync(this.#fd, bytes)
    } catch {
      // ENOSPC and its like, see above.
    }
  }

  #putAside(): void {
    // First of all, as it may fail: the file there is goes on then.
    const fd = openSync(`${this.#path}.new`, 'w')
    renameSync(this.#path, `${this.#path}.1`)
    renameSync(`${this.#path}.new`, this.#path)
    closeSync(this.#fd)
    this.#fd = fd
    this.#bytes = 0
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }
}
