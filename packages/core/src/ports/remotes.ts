import type { Readable } from 'node:stream'
import type { RemoteSource } from '../model.ts'
import type { OutgoingRule } from './runtime.ts'

/** What is to be read, and as whom. */
export interface RemoteAsk {
  source: RemoteSource
  /** Whose headers go along to the hosts that they name, whatever the port */
  credentials: readonly OutgoingRule[]
  /** A version that need not be taken again */
  known: string | null
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
  /**
   * What version there is. Of another than the known one `take` is given a tar archive as it comes; resolves when `take` has,
   * rejects with what `take` rejects with.
   */
  read(ask: RemoteAsk, take: (archive: Readable) => Promise<void>, signal: AbortSignal): Promise<string>
}
