import type { Readable } from 'node:stream'
import type { FileComparison, RootId } from '../model.ts'
import type { FileInfo } from './guest.ts'
import type { RootSource } from './pool.ts'

/** Files of an image or a snapshot, or what a root holds at this moment: one instant of it. */
export type TreeSource = RootSource | { from: 'root'; id: RootId }

export interface TreeSearch {
  /** Directory to search below */
  path: string
  /** Of file names; `*`, `?` and `[…]`, without one of them a part of the name */
  name?: string | undefined
  /** Text in regular files, in UTF-8 bytes */
  content?: string | undefined
  /** Most matches, lines of files counted */
  limit: number
  /** Milliseconds after which it ends with what it has */
  timeoutMs: number
  /** Bytes of files that it reads at most */
  readBytes: number
}

export interface TreeMatch {
  file: FileInfo
  /** Of the first line that has the content, counted from 1; `null` without `content` */
  line: number | null
  /** That line, at most 400 characters of it */
  text: string | null
}

export interface TreeSearchResult {
  matches: TreeMatch[]
  /** Why it ended early, `null` if everything was searched */
  incomplete: 'limit' | 'time' | 'bytes' | 'depth' | null
}

/**
 * Reads file trees without running anything of them. Paths are absolute and of the tree; links are followed inside the tree
 * alone, as the kernel would with the tree as its root, never out of it. Trees are hostile: names, depth, numbers and sizes are
 * whatever a guest made of them. Names that are not UTF-8 are told with U+FFFD in them, and cannot be asked for.
 *
 * Rejects `not_found` without the source, also when it goes away meanwhile; `guest_error` with the errno for a path;
 * `cancelled` when `signal` aborts.
 */
export interface Trees {
  /** Of a symlink itself. */
  stat(source: TreeSource, path: string, options?: { signal?: AbortSignal | undefined }): Promise<FileInfo>
  /**
   * Entries to `depth` levels (1: the directory's own), a directory before what is in it, each directory in the order of its
   * names' bytes. `after` is `next` of the page before, `null` at the end; another rejects `invalid_argument`.
   */
  list(
    source: TreeSource,
    path: string,
    options: { depth: number; limit: number; after?: string | undefined; signal?: AbortSignal | undefined },
  ): Promise<{ entries: FileInfo[]; next: string | null }>
  /** A regular file; of anything else rejects `guest_error` (EISDIR, or EINVAL for FIFOs, devices and sockets). */
  read(
    source: TreeSource,
    path: string,
    options?: { offset?: number | undefined; length?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<{ info: FileInfo; body: Readable }>
  /**
   * A tar archive of what is at a path, a symlink counting as what it leads to, all below it included, under the name
   * `name`. Owners are told by number. FIFOs, devices and sockets are left out.
   */
  pack(source: TreeSource, path: string, options: { name: string; signal?: AbortSignal | undefined }): Promise<Readable>
  search(
    source: TreeSource,
    request: TreeSearch,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<TreeSearchResult>
  /** At most `limit` changes of each kind, of what is at or below `path`, which one of the trees must have. */
  compare(
    before: TreeSource,
    after: TreeSource,
    options: { path: string; limit: number; timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<FileComparison>
}
