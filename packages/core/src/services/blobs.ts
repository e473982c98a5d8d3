import type { Readable } from 'node:stream'
import type { BlobsApi, Principal } from '../api.ts'
import { invalidArgument } from '../errors.ts'
import type { Parts } from '../parts.ts'

/** Bytes of the largest upload. */
export const MAX_BLOB_BYTES = 8 * 2 ** 30
/** Milliseconds that one is kept without being used. */
const KEPT_MS = 30 * 24 * 3600 * 1000

export class BlobStore implements BlobsApi {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async put(by: Principal, key: string, body: Readable): Promise<{ sizeBytes: number }> {
    checkBlobKey('key', key)
    const { blobs, clock, log } = this.#parts
    const stored = await blobs.put(by.teamId, key, body, MAX_BLOB_BYTES)
    blobs.prune(new Date(clock.now().getTime() - KEPT_MS)).catch((error: unknown) => {
      // The next upload tries again; this one is safe.
      log.warn({ err: error }, 'old uploads could not be removed')
    })
    return stored
  }

  async has(by: Principal, key: string): Promise<boolean> {
    checkBlobKey('key', key)
    return this.#parts.blobs.has(by.teamId, key)
  }

  async delete(by: Principal, key: string): Promise<void> {
    checkBlobKey('key', key)
    await this.#parts.blobs.delete(by.teamId, key)
  }
}

export function checkBlobKey(path: string, key: string): void {
  const valid = key.startsWith('sha256:')
    ? /^sha256:[0-9a-f]{64}$/.test(key)
    : /^[a-z0-9]{1,32}:[A-Za-z0-9._-]{1,160}$/.test(key)
  if (!valid)
    throw invalidArgument(path, "'sha256:' and 64 hex digits, or PREFIX:KEY of letters, digits, '.', '_', '-'")
}
