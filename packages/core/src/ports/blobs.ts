import type { Readable } from 'node:stream'
import type { TeamId } from '../model.ts'

/**
 * Files that builds copy from, each under a key of its team. Content is opaque: whatever understands it runs in a sandbox.
 *
 * Laws (the contract suite checks them):
 * - What `put` acknowledged is there, whole, after a power cut; a `put` that was cut off or refused changes nothing.
 * - An open reader reads to the end what it was opened on, whatever is put or deleted meanwhile.
 * - Keys of one team mean nothing to another.
 */
export interface Blobs {
  /** Rejects `unavailable` saying what is missing. Removes what a dead server left half written. */
  open(): Promise<void>
  close(): Promise<void>
  /**
   * Replaces what was there. A key `sha256:HEX` rejects `invalid_argument` unless the content has this digest; more than
   * `maxBytes` rejects `payload_too_large`; a full disk `disk_full`.
   */
  put(teamId: TeamId, key: string, body: Readable, maxBytes: number): Promise<{ sizeBytes: number }>
  has(teamId: TeamId, key: string): Promise<boolean>
  /** Counts as a use. Rejects `not_found`. */
  read(teamId: TeamId, key: string): Promise<{ sizeBytes: number; body: Readable }>
  /** Of what is not there succeeds. */
  delete(teamId: TeamId, key: string): Promise<void>
  /** Removes what was neither put nor used since. */
  prune(before: Date): Promise<{ removed: number }>
}
