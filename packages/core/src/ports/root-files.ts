import type { Readable } from 'node:stream'
import type { RootId } from '../model.ts'
import type { FileInfo } from './guest.ts'

/** As the file system has it; both are what the host's kernel says. */
export interface TreeFile extends FileInfo {
  accessedAt: Date
  changedAt: Date
}

/** Whose something new is, and who may do what with it. */
export interface NewFile {
  uid: number
  gid: number
  /** Permission bits, `0o7777` */
  mode: number
  /** Directories that are missing on the way are made, with mode 0o777 */
  parents: boolean
}

/**
 * The files of a root as they are at this moment, read and changed without anybody inside; sandboxes may write them meanwhile.
 * For roots that belong to no sandbox alone: of what a sandbox has mounted as its own root its kernel keeps copies. Paths and
 * what they lead to are as for `Trees`; a link at the end of a path is followed only by `list`, `read` and `change`.
 *
 * Rejects `not_found` without the root; `guest_error` with the errno for a path, EDQUOT or ENOSPC where it is full; `cancelled`
 * when `signal` aborts. What is not written to its end is not written at all.
 */
export interface RootFiles {
  stat(root: RootId, path: string, options?: { signal?: AbortSignal | undefined }): Promise<TreeFile>
  /** As `Trees.list`. What goes away meanwhile was not there. */
  list(
    root: RootId,
    path: string,
    options: { depth: number; limit: number; after?: string | undefined; signal?: AbortSignal | undefined },
  ): Promise<{ entries: TreeFile[]; next: string | null }>
  /** As `Trees.read`. Fewer bytes than `info` says come of what is cut short meanwhile. */
  read(
    root: RootId,
    path: string,
    options?: { offset?: number | undefined; length?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<{ info: TreeFile; body: Readable }>
  /** A whole file in the place of what is there, at once; `exclusive`: rejects EEXIST if something is. */
  write(
    root: RootId,
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: NewFile & { exclusive: boolean; signal?: AbortSignal | undefined },
  ): Promise<TreeFile>
  /** Rejects EEXIST if something is there, with `parents` if it is no directory: that stays as it is. */
  makeDir(root: RootId, path: string, options: NewFile): Promise<TreeFile>
  /** Of a regular file or a directory; of anything else rejects EINVAL. */
  change(
    root: RootId,
    path: string,
    change: { uid?: number | undefined; gid?: number | undefined; mode?: number | undefined },
  ): Promise<TreeFile>
  /** With all that is below it; of `/` rejects EBUSY. */
  remove(root: RootId, path: string): Promise<void>
}
