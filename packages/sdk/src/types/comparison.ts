import type { FileInfo, FileType } from './file.ts'

/** What ran inside at one moment, as the sandbox itself tells it. */
export interface Census {
  at: Date
  processes: CensusProcess[]
  /** TCP ports that were listened on */
  ports: ListeningPort[]
  /** There was more */
  truncated: boolean
}

export interface CensusProcess {
  pid: number
  parentPid: number
  user: string
  command: string
  memoryBytes: number
}

export interface ListeningPort {
  port: number
  address: string
  pid: number | null
}

export interface FileMatch {
  file: FileInfo
  /** Of the first line with the content, from 1 */
  line: number | null
  /** That line, at most 400 characters; `null` where it is no text */
  text: string | null
}

export interface FileMatches {
  items: FileMatch[]
  /** Why not everything was searched, `null` if it was */
  incomplete: 'limit' | 'time' | 'bytes' | 'depth' | null
}

export interface ComparedSide {
  snapshotId: string | null
  sandboxId: string | null
  at: Date
}

export interface ComparedFile {
  type: FileType
  sizeBytes: number
  /** Permission bits, `0o7777` */
  mode: number
  uid: number
  gid: number
  modifiedAt: Date
  symlinkTarget: string | null
}

export interface FileChange {
  path: string
  /** `null` for what was added */
  before: ComparedFile | null
  /** `null` for what was removed */
  after: ComparedFile | null
  /** Empty for what was added or removed. A time alone is no difference */
  differs: ('type' | 'content' | 'mode' | 'owner' | 'target' | 'attributes')[]
}

/**
 * What is different in `after`. What ran is `null` where it is not known of one of them: a sandbox that does not run, a snapshot
 * taken by an earlier version. `/tmp`, `/var/tmp`, `/run` and `/dev/shm` are memory, not files.
 */
export interface Comparison {
  before: ComparedSide
  after: ComparedSide
  files: {
    added: FileChange[]
    removed: FileChange[]
    changed: FileChange[]
    counts: { added: number; removed: number; changed: number }
    /** The lists are shorter than the counts */
    truncated: boolean
    /** Files of equal size that were too much to read, and count as changed */
    unread: number
    /** Why not all was compared, `null` if it was */
    incomplete: 'time' | 'entries' | 'depth' | null
  }
  processes: { started: CensusProcess[]; ended: CensusProcess[] } | null
  ports: { opened: ListeningPort[]; closed: ListeningPort[] } | null
  /** Largest change first */
  memory: { pid: number; command: string; bytesBefore: number | null; bytesAfter: number | null }[] | null
}

export interface TextComparison {
  path: string
  before: ComparedFile | null
  after: ComparedFile | null
  /** With `text`, `unified` tells the difference */
  outcome: 'same' | 'text' | 'binary' | 'not_a_file' | 'too_large' | 'too_different'
  unified: string | null
}
