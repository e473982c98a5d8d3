import { join } from 'node:path'
import {
  type ImageId,
  type MeasuredSet,
  notFound,
  type Pool,
  type RootFiles,
  type RootId,
  type RootSource,
  type SnapshotId,
  type SnapshotSizes,
  SpawnpointError,
  type TreeSource,
  type Trees,
} from '@spawnpoint/core'
import { snapshotSubvolume } from './btrfs.ts'
import { checkSnapshot } from './check.ts'
import { createImage, createImageFrom, deleteImage } from './images.ts'
import { readManifest } from './manifest.ts'
import { measure } from './measure.ts'
import { type OpenPool, openPool } from './open-pool.ts'
import type { BtrfsPoolOptions } from './options.ts'
import { BtrfsRootFiles } from './root-files.ts'
import { createRoot, deleteRoot, flushRoot } from './roots.ts'
import { classify, unavailable } from './run-tool.ts'
import { captureRoot, deleteSnapshot, publishSnapshot, stageSnapshot } from './snapshots.ts'
import { spaceOf } from './space.ts'
import { TreeReader } from './tree-reader.ts'
import { BtrfsTrees, type OpenTree } from './trees.ts'
import { closeVolume } from './volume.ts'

/** Pool on btrfs, below `dataDir/pool`; see `Layout`. */
export class BtrfsPool implements Pool {
  readonly trees: Trees
  readonly files: RootFiles
  readonly #options: BtrfsPoolOptions
  #open: OpenPool | null = null

  constructor(options: BtrfsPoolOptions) {
    this.#options = options
    const reader = new TreeReader(options.reader)
    this.trees = new BtrfsTrees(reader, (source) => this.#step('openTree', (pool) => openTree(pool, source)))
    this.files = new BtrfsRootFiles(reader, (id) => this.#step('openRoot', (pool) => pool.layout.root(id)))
  }

  async open(): Promise<void> {
    this.#open ??= await openPool(this.#options)
  }

  /**
   * Finishes deletions. Unmounts (which frees the loop device) only if the pool has no roots: one that exists may be the
   * file system of a living sandbox, and the next `open` adopts the mount. `force` unmounts all the same and rejects
   * `runtime_failed` if something uses the pool; nothing is lost by it, the next `open` mounts again.
   */
  async close(options: { force?: boolean } = {}): Promise<void> {
    const pool = this.#open
    if (!pool) return
    this.#open = null
    await pool.accounts.stop()
    await pool.trash.settled()
    if (!options.force && (await pool.layout.hasRoots())) return
    try {
      await closeVolume(pool.volume)
    } catch (error) {
      if (options.force) throw classify('close', error, 0)
      pool.log.warn({ err: error }, 'the pool is still in use and stays mounted')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ force: true })
  }

  createImage(
    id: ImageId,
    fill: (dir: string) => Promise<void>,
    limits?: { maxBytes: number },
  ): Promise<{ sizeBytes: number }> {
    return this.#step('createImage', (pool) => createImage(pool, id, fill, limits))
  }

  createImageFrom(id: ImageId, source: RootSource): Promise<{ sizeBytes: number }> {
    return this.#step('createImageFrom', (pool) => createImageFrom(pool, id, source))
  }

  deleteImage(id: ImageId): Promise<void> {
    return this.#step('deleteImage', (pool) => deleteImage(pool, id))
  }

  createRoot(id: RootId, source: RootSource | null, limits: { diskBytes: number }): Promise<void> {
    return this.#step('createRoot', (pool) => createRoot(pool, id, source, limits))
  }

  limitRoot(id: RootId, limits: { diskBytes: number }): Promise<void> {
    return this.#step('limitRoot', async ({ accounts, layout }) => {
      await layout.root(id)
      await accounts.rootLimited(id, limits)
    })
  }

  deleteRoot(id: RootId): Promise<void> {
    return this.#step('deleteRoot', (pool) => deleteRoot(pool, id))
  }

  rootPath(id: RootId): string {
    return this.#opened().layout.published('roots', id)
  }

  rootUsage(id: RootId): Promise<{ usedBytes: number; exclusiveBytes: number }> {
    return this.#step('rootUsage', async ({ accounts, layout }) => {
      await layout.root(id)
      return accounts.rootUsage(id)
    })
  }

  flushRoot(id: RootId): Promise<void> {
    return this.#step('flushRoot', (pool) => flushRoot(pool, id))
  }

  stageSnapshot(id: SnapshotId): Promise<{ memoryDir: string }> {
    return this.#step('stageSnapshot', (pool) => stageSnapshot(pool, id))
  }

  captureRoot(id: SnapshotId, rootId: RootId): Promise<void> {
    return this.#step('captureRoot', (pool) => captureRoot(pool, id, rootId))
  }

  publishSnapshot(id: SnapshotId, manifest: unknown): Promise<SnapshotSizes> {
    return this.#step('publishSnapshot', (pool) => publishSnapshot(pool, id, manifest))
  }

  memoryDir(id: SnapshotId): string {
    return join(this.#opened().layout.published('snapshots', id), 'memory')
  }

  readManifest(id: SnapshotId): Promise<unknown> {
    return this.#step('readManifest', async ({ layout }) => {
      const manifest = await readManifest(layout.published('snapshots', id))
      if (manifest === undefined) throw notFound('snapshot', id)
      return manifest
    })
  }

  checkSnapshot(id: SnapshotId, signal: AbortSignal, how: { idle?: boolean } = {}): Promise<string | null> {
    return this.#step('checkSnapshot', async ({ layout }) =>
      checkSnapshot(await layout.source({ from: 'snapshot', id }), signal, how),
    )
  }

  deleteSnapshot(id: SnapshotId): Promise<void> {
    return this.#step('deleteSnapshot', (pool) => deleteSnapshot(pool, id))
  }

  list(): Promise<{ images: ImageId[]; roots: RootId[]; snapshots: SnapshotId[]; staged: string[] }> {
    return this.#step('list', ({ layout }) => layout.list())
  }

  deleteStaged(name: string): Promise<void> {
    return this.#step('deleteStaged', async ({ layout, trash }) => void (await trash.put(layout.stagedNamed(name))))
  }

  measure(sets: readonly (readonly TreeSource[])[], signal?: AbortSignal): Promise<MeasuredSet[]> {
    return this.#step('measure', ({ layout }) => measure(layout, sets, signal))
  }

  async space(): Promise<{ totalBytes: number; freeBytes: number }> {
    return spaceOf(this.#opened().volume)
  }

  /** Whatever goes wrong in `work` is an error of ours, with `step` in it. */
  async #step<T>(step: string, work: (pool: OpenPool) => Promise<T>): Promise<T> {
    const pool = this.#opened()
    try {
      return await work(pool)
    } catch (error) {
      const known = error instanceof SpawnpointError || !this.#open
      throw classify(step, error, known ? 0 : (await this.space()).freeBytes)
    }
  }

  #opened(): OpenPool {
    if (!this.#open) throw unavailable('The pool is not open')
    return this.#open
  }
}

/** Of a root that is written, an instant is read, which lives in the trash: it goes away also if the server dies. */
async function openTree({ accounts, layout, trash }: OpenPool, source: TreeSource): Promise<OpenTree> {
  if (source.from !== 'root') {
    const check = async () => void (await layout.source(source))
    return { path: join(await layout.source(source), 'rootfs'), check, release: () => {} }
  }
  const root = await layout.root(source.id)
  await accounts.beforeFlush(source.id)
  const name = trash.newName()
  await snapshotSubvolume(root, trash.path(name), { readOnly: true })
  return { path: trash.path(name), check: async () => {}, release: () => trash.dropLater(name) }
}
