import type { Readable } from 'node:stream'
import type { TeamId } from '../ids.ts'
import type { RemoteSource } from '../model.ts'
import type { OutgoingRule } from './runtime.ts'

/** What is to be read, and as whom. */
export interface RemoteAsk<S extends RemoteSource = RemoteSource> {
  source: S
  /** For whom: what a reader can do at a time is shared among these */
  team: TeamId
  /** Whose headers go along to the hosts that they name, whatever the port */
  credentials: readonly OutgoingRule[]
  /** A version that need not be taken again */
  known: string | null
  /** Most bytes to be fetched */
  maxBytes: number
  /** Most files of a `RemoteChange`, those that are gone included; what is more comes as a whole */
  maxChanges: number
}

/** What became of a known version: an archive that comes with this has nothing but what is new. */
export interface RemoteChange {
  /** Paths of the archive's files */
  brought: string[]
  /** Files and directories that are there no more, none within another */
  gone: string[]
}

/** Given a tar archive as it comes: of all there is, or of what has changed since the known version. */
export type TakeRemote = (archive: Readable, change: RemoteChange | null) => Promise<void>

/**
 * Reads files of elsewhere, from addresses that users give. Duties: it asks nothing on this host or network that the address
 * itself does not name, it believes nothing that it is answered, its time is bounded (from when it begins,
 * where others come first), and what an earlier server left half
 * done it removes before the first `read`. Errors: `forbidden` (credentials are missing or wrong), `not_found`,
 * `payload_too_large`, `unavailable` (cannot be reached), `timeout`, `cancelled`, `runtime_failed` (answers nonsense).
 */
export interface RemoteReader<S extends RemoteSource = RemoteSource> {
  readonly type: S['type']
  /**
   * What version there is. Of another than the known one `take` is given an archive; resolves when `take` has, rejects with what
   * `take` rejects with.
   */
  read(ask: RemoteAsk<S>, take: TakeRemote, signal: AbortSignal): Promise<string>
}
