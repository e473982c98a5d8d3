import type { Readable } from 'node:stream'
import type { Principal } from '../api.ts'
import type { Page, TreeFile } from '../ports/index.ts'

export interface NewVolumeFile {
  /** Default 1000, the account that most images have */
  uid?: number | undefined
  gid?: number | undefined
  /** Permission bits; default 0o666 for files, 0o777 for directories */
  mode?: number | undefined
  /** Directories that are missing on the way are made; default false */
  parents?: boolean | undefined
}

/**
 * The files of a volume, by its id or name, without a sandbox; sandboxes that mount it see each change at once. Paths are
 * absolute and of the volume; links are followed inside it alone. `guest_error` tells what is wrong with a path, as for files
 * of sandboxes.
 */
export interface VolumeFilesApi {
  /** Of a link itself. */
  stat(by: Principal, volume: string, path: string, signal?: AbortSignal): Promise<TreeFile>
  /** To `depth` levels, 1 to 64; a directory before what is in it, each in the order of its names. */
  list(
    by: Principal,
    volume: string,
    path: string,
    /** `limit`: 1 to 10,000, default 1,000; `after`: `next` of the page before */
    request?: { depth?: number | undefined; limit?: number | undefined; after?: string | undefined },
    signal?: AbortSignal,
  ): Promise<Page<TreeFile>>
  read(
    by: Principal,
    volume: string,
    path: string,
    options?: { offset?: number | undefined; length?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<{ info: TreeFile; body: Readable }>
  /** In the place of what is there, at once, a link itself included; with `exclusive` rejects EEXIST instead. */
  write(
    by: Principal,
    volume: string,
    path: string,
    content: AsyncIterable<Uint8Array>,
    options?: NewVolumeFile & { exclusive?: boolean | undefined; signal?: AbortSignal | undefined },
  ): Promise<TreeFile>
  /** Rejects EEXIST; with `parents` a directory that is there is right, and stays as it is. */
  makeDir(by: Principal, volume: string, path: string, options?: NewVolumeFile): Promise<TreeFile>
  /** Of a file or a directory; what is not named stays. */
  change(
    by: Principal,
    volume: string,
    path: string,
    change: { uid?: number | undefined; gid?: number | undefined; mode?: number | undefined },
  ): Promise<TreeFile>
  /** With all that is below it. */
  remove(by: Principal, volume: string, path: string): Promise<void>
}
