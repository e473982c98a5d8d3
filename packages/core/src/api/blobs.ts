import type { Readable } from 'node:stream'
import type { Principal } from '../api.ts'

/**
 * Files that builds copy from. A key is `sha256:` and 64 hex digits, which the content must match, or any other
 * `[a-z0-9]+:[A-Za-z0-9._-]+`. One that nothing has used for 30 days is removed.
 */
export interface BlobsApi {
  /** Replaces what was there, once all of it has arrived. Rejects `invalid_argument` if the digest is another. */
  put(by: Principal, key: string, body: Readable): Promise<{ sizeBytes: number }>
  has(by: Principal, key: string): Promise<boolean>
  delete(by: Principal, key: string): Promise<void>
}
