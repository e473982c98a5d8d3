import type { Readable } from 'node:stream'
import type { RemoteSource } from '../model.ts'
import type { OutgoingRule } from './runtime.ts'

/** What is to be read, and as whom. */
export interface RemoteAsk {
  source: RemoteSource
  /** Whose headers go along to the hosts that they name, whatever the port */
  credentials: readonly OutgoingRule[]
  /** Most bytes to be fetched */
  maxBytes: number
}

/**
 * Reads files of elsewhere, from addresses that users give. Duties: it asks nothing on this host or network that the address
 * itself does not name, it believes nothing that it is answered, its time is bounded, and what an earlier server left half
 * done it removes before the first `read`. Errors: `forbidden` (credentials are missing or wrong), `not_found`,
 * `payload_too_large`, `unavailable` (cannot be reached), `timeout`, `cancelled`, `runtime_failed` (answers nonsense).
 */
export interface RemoteReader {
  readonly type: RemoteSource['type']
  /** Resolves when `take` has, which is given a tar archive as it comes; rejects with what `take` rejects with. */
  read(ask: RemoteAsk, take: (archive: Readable) => Promise<void>, signal: AbortSignal): Promise<void>
}
