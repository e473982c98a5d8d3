import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type Blobs, invalidArgument, isId, notFound, SpawnpointError, type TeamId } from '@spawnpoint/core'

/** Uploads are refused while the file system has less: were it full, the pool on it would turn read-only. */
const RESERVE_BYTES = 2 * 2 ** 30
/** Of uploads, how many may have come since space was looked at */
const LOOK_EVERY_BYTES = 64 * 2 ** 20
const PART = '.part-'

/**
 * Blobs as files, below `dir`:
 *
 *     TEAM/KEY            whole; its modification time is that of its last use
 *     TEAM/.part-RANDOM   arriving
 */
export class LocalBlobs implements Blobs {
  readonly #dir: string
  readonly #freeBytes: () => Promise<number>
  /** Of all uploads together, since space was looked at */
  #arrivedBytes = 0

  /** `freeBytes` tells of the file system of `dir`; default: asks it. */
  constructor({ dir, freeBytes = () => freeBytesAt(dir) }: { dir: string; freeBytes?: () => Promise<number> }) {
    this.#dir = dir
    this.#freeBytes = freeBytes
  }

  async open(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
    for (const team of await readdir(this.#dir)) {
      for (const name of await readdir(join(this.#dir, team)))
        if (name.startsWith(PART)) await rm(join(this.#dir, team, name), { force: true })
    }
  }

  async close(): Promise<void> {}

  async put(teamId: TeamId, key: string, body: Readable, maxBytes: number): Promise<{ sizeBytes: number }> {
    const final = this.#path(teamId, key)
    const dir = join(this.#dir, teamId)
    const part = join(dir, PART + randomBytes(8).toString('hex'))
    try {
      await this.#needSpace()
      if ((await mkdir(dir, { recursive: true, mode: 0o700 })) !== undefined) await syncDir(this.#dir)
      const file = await open(part, 'wx', 0o600)
      try {
        const sizeBytes = await this.#receive(file, key, body, maxBytes)
        await file.sync()
        await rename(part, final)
        await syncDir(dir)
        return { sizeBytes }
      } finally {
        await file.close()
      }
    } catch (error) {
      // What is left of it is harmless and goes at the next start; the first error is what matters.
      await rm(part, { force: true }).catch(() => {})
      throw errnoOf(error) === 'ENOSPC' ? await this.#full(error) : error
    }
  }

  async has(teamId: TeamId, key: string): Promise<boolean> {
    return (await absentAsNull(stat(this.#path(teamId, key)))) !== null
  }

  async read(teamId: TeamId, key: string): Promise<{ sizeBytes: number; body: Readable }> {
    const file = await absentAsNull(open(this.#path(teamId, key), 'r'))
    if (file === null) throw notFound('blob', key)
    try {
      const now = new Date()
      await file.utimes(now, now)
      const { size } = await file.stat()
      return { sizeBytes: size, body: file.createReadStream() }
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async delete(teamId: TeamId, key: string): Promise<void> {
    await rm(this.#path(teamId, key), { force: true })
  }

  async prune(before: Date): Promise<{ removed: number }> {
    let removed = 0
    for (const team of await readdir(this.#dir)) {
      for (const name of await readdir(join(this.#dir, team))) {
        if (name.startsWith(PART)) continue // still arriving, or gone at the next start
        const path = join(this.#dir, team, name)
        const known = await absentAsNull(stat(path))
        if (known === null || known.mtimeMs >= before.getTime()) continue
        await rm(path, { force: true })
        removed += 1
      }
    }
    return { removed }
  }

  async #receive(file: FileHandle, key: string, body: Readable, maxBytes: number): Promise<number> {
    const hash = createHash('sha256')
    let sizeBytes = 0
    for await (const chunk of body) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('a blob is made of bytes')
      sizeBytes += chunk.length
      if (sizeBytes > maxBytes) {
        const context = { limitBytes: maxBytes }
        throw new SpawnpointError('payload_too_large', `An upload has at most ${maxBytes} bytes`, context)
      }
      hash.update(chunk)
      await file.appendFile(chunk)
      this.#arrivedBytes += chunk.length
      if (this.#arrivedBytes > LOOK_EVERY_BYTES) await this.#needSpace()
    }
    const [, wanted] = /^sha256:(.*)$/.exec(key) ?? []
    if (wanted !== undefined && hash.digest('hex') !== wanted)
      throw invalidArgument('key', 'the content has another digest')
    return sizeBytes
  }

  async #needSpace(): Promise<void> {
    this.#arrivedBytes = 0
    if ((await this.#freeBytes()) < RESERVE_BYTES) throw await this.#full()
  }

  async #full(cause?: unknown): Promise<SpawnpointError<'disk_full'>> {
    return new SpawnpointError('disk_full', 'The disk is full', { freeBytes: await this.#freeBytes() }, { cause })
  }

  /** Keys are checked by the core already; a driver takes no path from anybody. */
  #path(teamId: TeamId, key: string): string {
    if (!isId(teamId) || !/^[a-z0-9]+:[A-Za-z0-9._-]+$/.test(key)) throw invalidArgument('key', 'is not a key')
    return join(this.#dir, teamId, key)
  }
}

async function freeBytesAt(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir)
  return bavail * bsize
}

async function syncDir(path: string): Promise<void> {
  const dir = await open(path, 'r')
  try {
    await dir.sync()
  } finally {
    await dir.close()
  }
}

async function absentAsNull<T>(found: Promise<T>): Promise<T | null> {
  try {
    return await found
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  }
}

function errnoOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
