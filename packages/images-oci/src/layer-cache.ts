import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { SpawnpointError, Turns } from '@spawnpoint/core'
import { diskError } from './limits.ts'
import type { Descriptor } from './manifest.ts'

export interface LayerCacheOptions {
  dir: string
  /** Blobs beyond it go, those first that were not used for longest */
  maxBytes: number
}

/** A verified blob, kept from going until it is disposed of. */
export interface HeldBlob extends Disposable {
  path: string
}

export interface BlobSource {
  /** Whoever serves the blob: only what came from there before is taken from the cache. */
  origin: string
  /** True if the caller may have it. Asked before it is taken from the cache. */
  allowed(digest: string): Promise<boolean>
  /** The blob from byte `from` on, or all of it. */
  open(digest: string, from: number): Promise<{ start: number; body: Readable }>
}

/** Bytes that are there now, negative when some have to be fetched again, and whether they were there already. */
export type Gained = (bytes: number, already: boolean) => void

const PART = '.part'
/** Milliseconds after which the beginning of a blob that nobody went on with is thrown away */
const STALE_PART_MS = 7 * 24 * 3600 * 1000
/** The disk under the cache may be the pool's, which turns read-only when it is full. */
const HOST_RESERVE = 2 * 2 ** 30
const WRITE_BYTES = 2 ** 20

/**
 * Compressed blobs as registries served them: `ORIGIN/HEX`, and `ORIGIN/HEX.part` for one that was cut off and is gone on
 * with. Whatever is read from here is verified again, so nothing needs to be synced, and a file that a power cut has
 * spoilt is fetched anew. A cache belongs to one process.
 */
export class LayerCache {
  readonly #dir: string
  readonly #maxBytes: number
  /** Blobs in use, by path */
  readonly #held = new Map<string, number>()
  /** One at a time for each blob: the second finds what the first fetched */
  readonly #turns = new Turns<string>()

  constructor({ dir, maxBytes }: LayerCacheOptions) {
    this.#dir = dir
    this.#maxBytes = maxBytes
  }

  /**
   * From the cache, or else from `source`. Rejects `runtime_failed` if what comes is not what was named, `unavailable` if
   * it broke off, otherwise with what `source` or the disk says; what had come by then is kept for the next call.
   */
  async hold(blob: Descriptor, source: BlobSource, gained: Gained, signal: AbortSignal): Promise<HeldBlob> {
    const dir = join(this.#dir, encodeURIComponent(source.origin))
    const path = join(dir, blob.digest.slice('sha256:'.length))
    this.#held.set(path, (this.#held.get(path) ?? 0) + 1)
    const release = () => this.#release(path)
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 })
      await this.#inTurn(path, () => this.#provide(path, blob, source, gained, signal))
      return { path, [Symbol.dispose]: release }
    } catch (error) {
      release()
      throw error
    }
  }

  /** Rejects `disk_full` where the disk has no room for so many bytes and what others need of it. */
  async needSpace(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#dir)
    const freeBytes = bavail * bsize
    if (freeBytes - bytes >= HOST_RESERVE) return
    const message = `No space is left for ${bytes} bytes of layers; ${freeBytes} are free`
    throw new SpawnpointError('disk_full', message, { freeBytes })
  }

  /** Throws out what is too much or too old. What is in use stays. */
  async trim(now = Date.now()): Promise<void> {
    const files = await this.#files()
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    for (const { path, usedAtMs, bytes: size } of files.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      const stale = path.endsWith(PART) && now - usedAtMs > STALE_PART_MS
      if ((bytes <= this.#maxBytes && !stale) || this.#held.has(path.replace(/\.part$/, ''))) continue
      await rm(path, { force: true })
      bytes -= size
    }
  }

  async #provide(
    path: string,
    blob: Descriptor,
    source: BlobSource,
    gained: Gained,
    signal: AbortSignal,
  ): Promise<void> {
    if ((await sizeOf(path)) !== null && (await source.allowed(blob.digest))) {
      if ((await digestOf(path, signal)) === blob.digest) {
        const now = new Date()
        await utimes(path, now, now)
        gained(blob.size, true)
        return
      }
      await rm(path, { force: true })
    }
    await this.#fetch(path, blob, source, gained, signal)
  }

  async #fetch(path: string, blob: Descriptor, source: BlobSource, gained: Gained, signal: AbortSignal): Promise<void> {
    const part = `${path}${PART}`
    await using file = await open(part, 'a+', 0o600)
    let resumed = (await file.stat()).size
    if (resumed > blob.size) {
      await file.truncate(0)
      resumed = 0
    }
    const hash = createHash('sha256')
    if (resumed > 0) {
      await update(hash, createReadStream(part, { end: resumed - 1, signal }))
      gained(resumed, true)
    }
    const whole = resumed === blob.size ? hash : await receive(file, resumed, hash, blob, source, gained)
    const digest = `sha256:${whole.digest('hex')}`
    if (digest !== blob.digest) {
      await rm(part, { force: true })
      // The beginning may be what a power cut left: once more without it.
      if (resumed === 0) throw broken(`${blob.digest} has the digest ${digest}`)
      gained(-blob.size, true)
      return this.#fetch(path, blob, source, gained, signal)
    }
    await rename(part, path)
  }

  #release(path: string): void {
    const left = (this.#held.get(path) ?? 1) - 1
    if (left > 0) this.#held.set(path, left)
    else this.#held.delete(path)
  }

  #inTurn(path: string, run: () => Promise<void>): Promise<void> {
    // How the one before ended is its caller's; what it left is looked at.
    return this.#turns.take(path, run)
  }

  async #files(): Promise<{ path: string; bytes: number; usedAtMs: number }[]> {
    const files: { path: string; bytes: number; usedAtMs: number }[] = []
    for (const entry of await readdir(this.#dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      const { size, mtimeMs } = await stat(path)
      files.push({ path, bytes: size, usedAtMs: mtimeMs })
    }
    return files
  }
}

/** Appends what comes to the file; returns the hash of all of it. */
async function receive(
  file: FileHandle,
  from: number,
  hash: Hash,
  blob: Descriptor,
  source: BlobSource,
  gained: Gained,
): Promise<Hash> {
  const { start, body } = await source.open(blob.digest, from)
  let running = hash
  if (start === 0 && from > 0) {
    await file.truncate(0)
    gained(-from, true)
    running = createHash('sha256')
  }
  let bytes = start
  let pending: Buffer[] = []
  let pendingBytes = 0
  const flush = async () => {
    if (pendingBytes === 0) return
    await file.appendFile(Buffer.concat(pending)).catch(diskError)
    pending = []
    pendingBytes = 0
  }
  try {
    for await (const piece of arriving(body, blob.digest)) {
      bytes += piece.length
      // Leaving the loop destroys the body.
      if (bytes > blob.size) throw broken(`${blob.digest} is longer than the ${blob.size} bytes that were said`)
      running.update(piece)
      gained(piece.length, false)
      pending.push(piece)
      pendingBytes += piece.length
      if (pendingBytes >= WRITE_BYTES) await flush()
    }
  } finally {
    await flush()
  }
  // An end that is too early looks like any other when the length was not told.
  if (bytes < blob.size) throw brokenOff(`${blob.digest} ended after ${bytes} of ${blob.size} bytes`)
  return running
}

async function* arriving(body: Readable, digest: string): AsyncIterable<Buffer> {
  try {
    yield* body as AsyncIterable<Buffer>
  } catch (error) {
    throw brokenOff(`${digest}: ${(error as Error).message}`, error)
  }
}

function brokenOff(reason: string, cause?: unknown): SpawnpointError<'unavailable'> {
  const message = 'The registry broke off in the middle of a layer; what has come is kept'
  return new SpawnpointError('unavailable', message, { reason }, { cause })
}

export function broken(detail: string): SpawnpointError<'runtime_failed'> {
  return new SpawnpointError('runtime_failed', `The registry sent something else than it named: ${detail}`, {
    step: 'pull the image',
    detail,
  })
}

async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  await update(hash, createReadStream(path, { signal }))
  return `sha256:${hash.digest('hex')}`
}

async function update(hash: Hash, from: Readable): Promise<void> {
  for await (const piece of from as AsyncIterable<Buffer>) hash.update(piece)
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ size }) => size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    },
  )
}
