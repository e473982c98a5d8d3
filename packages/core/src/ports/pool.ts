import type { ImageId, RootId, SnapshotId } from '../model.ts'
import type { RootFiles } from './root-files.ts'
import type { TreeSource, Trees } from './trees.ts'

export type RootSource = { from: 'image'; id: ImageId } | { from: 'snapshot'; id: SnapshotId }

/**
 * Copy-on-write store of images, sandbox roots and snapshots. Cloning and capturing cost the same for any size.
 *
 * Laws (the contract suite checks them):
 * - Whatever a `publish…` or `create…` call acknowledged is there after a power cut; whatever it did not is either whole
 *   or absent under its final name.
 * - Deletes are idempotent and return once the thing can no longer be used; space comes back later.
 * - Nothing follows a link inside a root.
 */
export interface Pool {
  /** Mounts or checks the store. Rejects `unavailable` saying what is missing. */
  open(): Promise<void>
  close(): Promise<void>

  /**
   * Calls `fill` with an empty directory that becomes the image's root filesystem; publishes it read-only. Writes beyond
   * `maxBytes` fail for whoever fills it, as beyond `diskBytes` inside a root.
   */
  createImage(
    id: ImageId,
    fill: (dir: string) => Promise<void>,
    limits?: { maxBytes: number },
  ): Promise<{ sizeBytes: number }>
  /** As `createImage`, of the files of an image or a snapshot, whose size does not matter. Rejects `not_found`. */
  createImageFrom(id: ImageId, source: RootSource): Promise<{ sizeBytes: number }>
  deleteImage(id: ImageId): Promise<void>

  /**
   * Writable clone, or, with `null`, an empty root that everybody may write to; writes beyond `diskBytes` fail inside with
   * "disk quota exceeded" or "no space".
   */
  createRoot(id: RootId, source: RootSource | null, limits: { diskBytes: number }): Promise<void>
  /** Bounds a root that is there otherwise, at once; costs next to nothing where it is so already. Rejects `not_found`. */
  limitRoot(id: RootId, limits: { diskBytes: number }): Promise<void>
  deleteRoot(id: RootId): Promise<void>
  rootPath(id: RootId): string
  rootUsage(id: RootId): Promise<{ usedBytes: number; exclusiveBytes: number }>
  /** Writes the root's dirty pages to disk, so that a capture that follows is quick. */
  flushRoot(id: RootId): Promise<void>

  /** Makes a place for a snapshot that is not visible yet. */
  stageSnapshot(id: SnapshotId): Promise<{ memoryDir: string }>
  /** Captures the root as it is now into the staged snapshot. Preconditions: the sandbox is paused. */
  captureRoot(id: SnapshotId, root: RootId): Promise<void>
  /** Makes the staged snapshot durable and visible with its manifest. */
  publishSnapshot(id: SnapshotId, manifest: unknown): Promise<SnapshotSizes>
  /** The directory `checkpoint` filled. */
  memoryDir(id: SnapshotId): string
  readManifest(id: SnapshotId): Promise<unknown>
  /**
   * Reads a published snapshot back: its files against the store's own checksums, its memory against digests that the first
   * call keeps. `idle`: nobody waits for it, and it has the time that nothing else wants. Resolves with what is wrong, `null`
   * if nothing is. Rejects `not_found`, and when `signal` aborts.
   */
  checkSnapshot(id: SnapshotId, signal: AbortSignal, how?: { idle?: boolean }): Promise<string | null>
  /** Removes a staged or published snapshot. */
  deleteSnapshot(id: SnapshotId): Promise<void>

  readonly trees: Trees
  readonly files: RootFiles

  /** Everything in the store, for the sweep at start. `staged` are snapshots and images that were never published. */
  list(): Promise<{ images: ImageId[]; roots: RootId[]; snapshots: SnapshotId[]; staged: string[] }>
  /** Removes an entry of `list().staged`. */
  deleteStaged(name: string): Promise<void>
  /**
   * What things of the store hold, and what sets of them do (those of a team, say), shared among each other or not. In the
   * background's time: what is written or deleted meanwhile may be told either way. Only what is asked about counts as
   * sharing, so ask about everything. Data of files, on disk: directories and the smallest of files are left out.
   */
  measure(sets: readonly (readonly TreeSource[])[], signal?: AbortSignal): Promise<MeasuredSet[]>
  space(): Promise<{ totalBytes: number; freeBytes: number }>
}

export interface SnapshotSizes {
  memoryBytes: number
  filesystemBytes: number
  newlyStoredBytes: number
}

export interface Measured {
  /** Bytes that nothing else of what was measured refers to */
  uniqueBytes: number
  /** Bytes that something else refers to as well; of a set: something in another set */
  sharedBytes: number
}

export interface MeasuredSet {
  /** In the order asked; `null` for what is gone */
  things: (Measured | null)[]
  set: Measured
}
