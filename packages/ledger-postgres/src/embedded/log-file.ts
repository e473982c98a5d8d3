import { closeSync, openSync } from 'node:fs'
import { open, stat, truncate, writeFile } from 'node:fs/promises'

const LIMIT_BYTES = 4 * 2 ** 20
const KEPT_BYTES = 2 ** 20

/**
 * PostgreSQL's standard error, straight into a file: what it says while it ends after a `kill -9` of the server is
 * there too. Once a minute, a file past 4 MiB is emptied and its last MiB kept in `.1`.
 */
export class LogFile implements Disposable {
  readonly fd: number
  readonly #path: string
  readonly #timer: NodeJS.Timeout

  constructor(path: string) {
    this.#path = path
    this.fd = openSync(path, 'a', 0o640)
    this.#timer = setInterval(() => void this.bound(), 60_000).unref()
  }

  /** Never rejects: a log that cannot be bound now is tried again in a minute. */
  async bound(): Promise<void> {
    try {
      if ((await stat(this.#path)).size <= LIMIT_BYTES) return
      await writeFile(`${this.#path}.1`, await this.tail(KEPT_BYTES), { mode: 0o640 })
      // Writers append, so they go on at the new end.
      await truncate(this.#path)
    } catch {
      // Disk full or removed by hand; the ledger itself does not depend on it.
    }
  }

  async tail(bytes: number): Promise<string> {
    await using file = await open(this.#path, 'r')
    const { size } = await file.stat()
    const buffer = Buffer.alloc(Math.min(size, bytes))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, size - buffer.length)
    return buffer.subarray(0, bytesRead).toString('utf8')
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    closeSync(this.fd)
  }
}
