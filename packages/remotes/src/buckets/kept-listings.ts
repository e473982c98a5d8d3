import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Listing, versionOf } from './listing.ts'

const MAX_BYTES = 256 * 2 ** 20
const NAME = /^[0-9a-f]{64}$/

/**
 * What buckets had when they were last read, by version, so that of the next only the difference need be fetched. One that is
 * missing costs a whole fetch, nothing else: those that were used longest ago go when there is too much.
 */
export class KeptListings {
  readonly #dir: string
  readonly #maxBytes: number

  private constructor(dir: string, maxBytes: number) {
    this.#dir = dir
    this.#maxBytes = maxBytes
  }

  /** Removes what an earlier process left half done. */
  static async open(dir: string, maxBytes = MAX_BYTES): Promise<KeptListings> {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    for (const name of await readdir(dir)) if (!NAME.test(name)) await rm(join(dir, name), { recursive: true })
    return new KeptListings(dir, maxBytes)
  }

  async find(version: string): Promise<Listing | null> {
    if (!NAME.test(version)) return null
    const file = join(this.#dir, version)
    try {
      const listing: Listing = new Map()
      for (const line of (await readFile(file, 'utf8')).split('\n')) {
        if (line === '') continue
        const [path, sizeBytes, etag]: unknown[] = JSON.parse(line)
        if (typeof path === 'string' && typeof sizeBytes === 'number' && typeof etag === 'string')
          listing.set(path, { key: '', sizeBytes, etag })
      }
      // A file that was cut off by a crash is as good as none.
      if (versionOf(listing) !== version) return null
      const now = new Date()
      await utimes(file, now, now)
      return listing
    } catch (error) {
      if (error instanceof SyntaxError || isMissing(error)) return null
      throw error
    }
  }

  async keep(version: string, listing: Listing): Promise<void> {
    const lines = [...listing].map(([path, { sizeBytes, etag }]) => `${JSON.stringify([path, sizeBytes, etag])}\n`)
    const half = join(this.#dir, `half-${randomUUID()}`)
    await writeFile(half, lines.join(''), { mode: 0o600 })
    await rename(half, join(this.#dir, version))
    await this.#shrink(version)
  }

  async #shrink(newest: string): Promise<void> {
    const files: { name: string; bytes: number; usedMs: number }[] = []
    for (const name of await readdir(this.#dir)) {
      if (!NAME.test(name) || name === newest) continue
      const found = await stat(join(this.#dir, name)).catch((error: unknown) => {
        if (isMissing(error)) return null // another read has removed it
        throw error
      })
      if (found !== null) files.push({ name, bytes: found.size, usedMs: found.mtimeMs })
    }
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    for (const file of files.sort((a, b) => a.usedMs - b.usedMs)) {
      if (bytes <= this.#maxBytes) return
      await rm(join(this.#dir, file.name), { force: true })
      bytes -= file.bytes
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
