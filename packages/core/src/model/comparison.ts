import type { SandboxId, SnapshotId } from '../ids.ts'
import type { FileType } from '../ports/guest.ts'
import type { CensusProcess, ListeningPort } from './census.ts'

/** One of the two that are compared. */
export interface ComparedSide {
  /** Exactly one of the two ids is given */
  snapshotId: SnapshotId | null
  sandboxId: SandboxId | null
  /** The moment that its files are of */
  at: Date
}

export interface ComparedFile {
  type: FileType
  sizeBytes: number
  /** Permission bits */
  mode: number
  uid: number
  gid: number
  modifiedAt: Date
  symlinkTarget: string | null
}

/** `target`: what a symlink says; `attributes`: extended ones. A time alone is no difference. */
export type FileDifference = 'type' | 'content' | 'mode' | 'owner' | 'target' | 'attributes'

export interface FileChange {
  path: string
  /** `null` for what was added */
  before: ComparedFile | null
  /** `null` for what was removed */
  after: ComparedFile | null
  /** Empty for what was added or removed */
  differs: FileDifference[]
}

/** Sorted by path, directories before what is in them; what is in one that was added or removed is listed as well. */
export interface FileComparison {
  added: FileChange[]
  removed: FileChange[]
  changed: FileChange[]
  /** Of all there are, also where the lists are cut */
  counts: { added: number; removed: number; changed: number }
  /** The lists are shorter than the counts */
  truncated: boolean
  /** Files of equal size that were too much to read, and count as changed */
  unread: number
  /** Why not all of both trees was looked at, `null` if it was: then the counts are at least so many */
  incomplete: 'time' | 'entries' | 'depth' | null
}

export interface MemoryChange {
  pid: number
  command: string
  /** `null` if it has started since */
  bytesBefore: number | null
  /** `null` if it has ended since */
  bytesAfter: number | null
}

/**
 * What is different in `after`. What ran inside is `null` where it is not known of one of them: a sandbox that is not running,
 * a snapshot taken while an agent of an earlier version was inside. `/tmp`, `/var/tmp`, `/run` and `/dev/shm` are memory,
 * not files.
 */
export interface Comparison {
  before: ComparedSide
  after: ComparedSide
  files: FileComparison
  processes: { started: CensusProcess[]; ended: CensusProcess[] } | null
  ports: { opened: ListeningPort[]; closed: ListeningPort[] } | null
  /** Largest change first */
  memory: MemoryChange[] | null
}

/** `text`: `unified` tells the difference; `too_large` and `too_different`: there is one, but it is not told. */
export type TextOutcome = 'same' | 'text' | 'binary' | 'not_a_file' | 'too_large' | 'too_different'

export interface TextComparison {
  path: string
  before: ComparedFile | null
  after: ComparedFile | null
  outcome: TextOutcome
  /** In the unified format with three lines of context; empty for `same` */
  unified: string | null
}
