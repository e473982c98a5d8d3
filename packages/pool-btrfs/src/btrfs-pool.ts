import { lstat, mkdir, readdir, readFile, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type ImageId,
  invalidArgument,
  isId,
  notFound,
  type Pool,
  type RootId,
  type RootSource,
  type SnapshotId,
  type SnapshotSizes,
  SpawnpointError,
} from '@spawnpoint/core'
import {
  createSubvolume,
  deleteSubvolume,
  limitSubvolume,
  makeReadOnly,
  type QgroupUsage,
  Quotas,
  snapshotSubvolume,
  syncFilesystem,
} from './btrfs.ts'
import { renameDurably, syncPath, syncTree, writeFileSynced } from './durable.ts'
import { classify, diskFull, runTool, unavailable } from './run-tool.ts'
import { Trash } from './trash.ts'
import { closeVolume, openVolume, type Volume } from './volume.ts'

export interface BtrfsPoolOptions {
  /** Where `pool/` is, and `pool.img` unless this directory is on btrfs itself */
  dataDir: string
  log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
    error(fields: object, message: string): void
  }
  /** Size of a new `pool.img` in bytes, rounded down to GiB, at least 8 GiB; default 80 % of what is free */
  poolBytes?: number
  /** Called at each named point between two steps; a crash test ends the process there. */
  failpoint?: (name: string) => void
}

/** New work is refused while the file system under `pool.img` has less: were it full, btrfs would turn read-only. */
const HOST_RESERVE = 2 * 2 ** 30
/** Less than this is not worth a snapshot of its own. */
const FLUSHED_FROM_BYTES = 2 ** 20
/** New work is refused while the pool has less. */
const POOL_RESERVE = 256 * 2 ** 20
const STAGED = '.staged-'
const MANIFEST = 'manifest.json'

/**
 * Pool on btrfs. Layout, below `dataDir/pool`:
 *
 *     images/ID/rootfs        read-only subvolume
 *     roots/ID                subvolume, limited by its qgroup
 *     snapshots/ID/           manifest.json, rootfs (read-only subvolume), memory/ (no checksums: see docs/decisions)
 *     …/.staged-ID            not published yet
 *     trash/                  being deleted
 */
export class BtrfsPool implements Pool {
  readonly #options: BtrfsPoolOptions
  readonly #failpoint: (name: string) => void
  #volume: Volume | null = null
  #trash!: Trash
  #quotas!: Quotas
  /** What roots held alone at the last `flushRoot`: the flush itself shares it for a moment. */
  readonly #unsharedAtFlush = new Map<RootId, number>()
  /** What staged snapshots took over from their roots. */
  readonly #capturedBytes = new Map<SnapshotId, number>()

  constructor(options: BtrfsPoolOptions) {
    this.#options = options
    this.#failpoint = options.failpoint ?? (() => {})
  }

  /** Formats the pool on the first call, adopts a mount that is there, mounts otherwise; sweeps what a crash left. */
  async open(): Promise<void> {
    if (this.#volume) return
    const volume = await openVolume(this.#options.dataDir, this.#options.poolBytes, this.#failpoint)
    for (const name of ['images', 'roots', 'snapshots', 'trash']) {
      await mkdir(join(volume.path, name), { recursive: true, mode: 0o700 })
    }
    this.#quotas = new Quotas(volume.path)
    await this.#quotas.enable().catch((error) => {
      throw unavailable(`btrfs cannot account for space (kernel 5.9 or newer is needed): ${error.message}`, error)
    })
    this.#trash = new Trash(join(volume.path, 'trash'), (err, name) =>
      this.#options.log.error({ err, name }, 'could not delete from the pool, trying again at the next start'),
    )
    await this.#trash.sweep()
    // A root is published by one call: a staged one belongs to nobody once that call's process is gone.
    for (const name of await readdir(join(volume.path, 'roots'))) {
      if (name.startsWith(STAGED)) await this.#trash.put(join(volume.path, 'roots', name))
    }
    this.#volume = volume
    const { freeBytes, totalBytes } = await this.space()
    this.#options.log.info({ path: volume.path, imageFile: volume.imageFile, totalBytes, freeBytes }, 'pool open')
  }

  /**
   * Finishes deletions. Unmounts (which frees the loop device) only if the pool has no roots: one that exists may be the
   * file system of a living sandbox, and the next `open` adopts the mount. `force` unmounts all the same and rejects
   * `runtime_failed` if something uses the pool; nothing is lost by it, the next `open` mounts again.
   */
  async close(options: { force?: boolean } = {}): Promise<void> {
    const volume = this.#volume
    if (!volume) return
    this.#volume = null
    await this.#trash.settled()
    if (!options.force && (await readdir(join(volume.path, 'roots'))).length > 0) return
    try {
      await closeVolume(volume)
    } catch (error) {
      if (options.force) throw classify('close', error, 0)
      this.#options.log.warn({ err: error }, 'the pool is still in use and stays mounted')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ force: true })
  }

  // ---------------------------------------------------------------- images

  createImage(id: ImageId, fill: (dir: string) => Promise<void>): Promise<{ sizeBytes: number }> {
    return this.#step('createImage', async () => {
      await this.#needSpace()
      const final = this.#path('images', id)
      const staged = this.#path('images', id, STAGED)
      await this.#mustBeNew('createImage', id, final, staged)
      await mkdir(staged, { mode: 0o700 })
      try {
        const rootfs = join(staged, 'rootfs')
        await createSubvolume(rootfs)
        this.#failpoint('pool.createImage.staged')
        await fill(rootfs)
        this.#failpoint('pool.createImage.filled')
        await makeReadOnly(rootfs)
        await syncFilesystem(rootfs)
        // The size is told for good, so it must not be of figures that are off.
        await this.#recount({ wait: true })
        const { referencedBytes } = await this.#usageOnce(rootfs)
        this.#failpoint('pool.createImage.synced')
        await renameDurably(staged, final)
        return { sizeBytes: referencedBytes }
      } catch (error) {
        await this.#discard(staged)
        throw error
      }
    })
  }

  deleteImage(id: ImageId): Promise<void> {
    return this.#step('deleteImage', async () => {
      this.#quotas.forget(join(this.#path('images', id), 'rootfs'))
      await this.#trash.put(this.#path('images', id))
      await this.#trash.put(this.#path('images', id, STAGED))
    })
  }

  // ---------------------------------------------------------------- roots

  /**
   * Clones in O(1). The clone gets its limit under a staging name, so that no root is ever without one. Rejects
   * `invalid_argument` if the source alone is larger than `diskBytes`.
   */
  createRoot(id: RootId, source: RootSource, limits: { diskBytes: number }): Promise<void> {
    return this.#step('createRoot', async () => {
      await this.#needSpace()
      const from = join(this.#path(source.from === 'image' ? 'images' : 'snapshots', source.id), 'rootfs')
      if (!(await present(from))) throw notFound(source.from, source.id)
      const final = this.#path('roots', id)
      const staged = this.#path('roots', id, STAGED)
      await this.#mustBeNew('createRoot', id, final, staged)
      const { referencedBytes } = await this.#quotas.usage(from)
      if (referencedBytes > limits.diskBytes) {
        throw invalidArgument('resources.diskBytes', `the ${source.from} alone takes ${referencedBytes} bytes`)
      }
      await this.#recount()
      try {
        await snapshotSubvolume(from, staged, { readOnly: false })
        this.#failpoint('pool.createRoot.cloned')
        await limitSubvolume(staged, limits.diskBytes)
        this.#failpoint('pool.createRoot.limited')
        // The rename of a subvolume makes this fsync a full commit: clone and limit are on disk with the name.
        await renameDurably(staged, final)
      } catch (error) {
        await this.#discard(staged)
        throw error
      }
    })
  }

  deleteRoot(id: RootId): Promise<void> {
    return this.#step('deleteRoot', async () => {
      this.#unsharedAtFlush.delete(id)
      this.#quotas.forget(this.#path('roots', id))
      await this.#trash.put(this.#path('roots', id))
      this.#failpoint('pool.delete.renamed')
    })
  }

  rootPath(id: RootId): string {
    return this.#path('roots', id)
  }

  rootUsage(id: RootId): Promise<{ usedBytes: number; exclusiveBytes: number }> {
    return this.#step('rootUsage', async () => {
      const { referencedBytes, exclusiveBytes } = await this.#quotas.usage(await this.#root(id))
      return {
        usedBytes: referencedBytes,
        exclusiveBytes: Math.max(exclusiveBytes, this.#unsharedAtFlush.get(id) ?? 0),
      }
    })
  }

  /**
   * With little to write it does nothing: the capture that follows writes that as fast. Otherwise it takes a snapshot and throws it away: that writes the dirty data of this root only. `btrfs filesystem sync` would
   * write everybody's, which beside a busy sandbox took 600 ms instead of 80, and left the capture that followed at
   * 45 ms instead of 5.
   */
  flushRoot(id: RootId): Promise<void> {
    return this.#step('flushRoot', async () => {
      const root = await this.#root(id)
      if ((await this.#quotas.usage(root)).dirtyBytes < FLUSHED_FROM_BYTES) return
      this.#unsharedAtFlush.set(id, await this.#unshared(id, root))
      const name = this.#trash.newName()
      try {
        await snapshotSubvolume(root, this.#trash.path(name), { readOnly: true })
        this.#failpoint('pool.flushRoot.taken')
      } finally {
        if (await present(this.#trash.path(name))) this.#trash.drop(name)
      }
    })
  }

  // ---------------------------------------------------------------- snapshots

  stageSnapshot(id: SnapshotId): Promise<{ memoryDir: string }> {
    return this.#step('stageSnapshot', async () => {
      await this.#needSpace()
      const staged = this.#path('snapshots', id, STAGED)
      await this.#mustBeNew('stageSnapshot', id, this.#path('snapshots', id), staged)
      const memoryDir = join(staged, 'memory')
      await mkdir(staged, { mode: 0o700 })
      try {
        await mkdir(memoryDir, { mode: 0o700 })
        this.#failpoint('pool.stageSnapshot.made')
        // No copy-on-write and no checksums for files made in it: only then does btrfs write them with direct I/O.
        await runTool('chattr', ['+C', memoryDir])
      } catch (error) {
        await this.#discard(staged)
        throw error
      }
      return { memoryDir }
    })
  }

  captureRoot(id: SnapshotId, rootId: RootId): Promise<void> {
    return this.#step('captureRoot', async () => {
      const staged = await this.#staged(id)
      const root = await this.#root(rootId)
      const rootfs = join(staged, 'rootfs')
      // A capture that is made again replaces the first.
      if (await present(rootfs)) await deleteSubvolume(rootfs)
      const unshared = await this.#unshared(rootId, root)
      await snapshotSubvolume(root, rootfs, { readOnly: true })
      this.#capturedBytes.set(id, unshared)
      this.#unsharedAtFlush.delete(rootId)
      this.#failpoint('pool.captureRoot.captured')
    })
  }

  /** Sizes count blocks on disk. `newlyStoredBytes` is the memory and what the root had to itself before the capture. */
  publishSnapshot(id: SnapshotId, manifest: unknown): Promise<SnapshotSizes> {
    return this.#step('publishSnapshot', async () => {
      const staged = await this.#staged(id)
      const rootfs = join(staged, 'rootfs')
      if (!(await present(rootfs))) throw failed('publishSnapshot', `${id} has no captured root`)
      await rm(join(staged, MANIFEST), { force: true })
      const [memoryBytes, { referencedBytes }] = await Promise.all([
        syncTree(join(staged, 'memory')),
        this.#usageOnce(rootfs),
        writeFileSynced(join(staged, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`),
      ])
      this.#failpoint('pool.publishSnapshot.synced')
      await syncPath(staged)
      this.#failpoint('pool.publishSnapshot.written')
      await renameDurably(staged, this.#path('snapshots', id))
      const captured = this.#capturedBytes.get(id) ?? 0
      this.#capturedBytes.delete(id)
      return {
        memoryBytes,
        filesystemBytes: referencedBytes,
        newlyStoredBytes: memoryBytes + Math.min(captured, referencedBytes),
      }
    })
  }

  memoryDir(id: SnapshotId): string {
    return join(this.#path('snapshots', id), 'memory')
  }

  readManifest(id: SnapshotId): Promise<unknown> {
    return this.#step('readManifest', async () => {
      try {
        return JSON.parse(await readFile(join(this.#path('snapshots', id), MANIFEST), 'utf8'))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw notFound('snapshot', id)
        throw error
      }
    })
  }

  deleteSnapshot(id: SnapshotId): Promise<void> {
    return this.#step('deleteSnapshot', async () => {
      this.#capturedBytes.delete(id)
      this.#quotas.forget(join(this.#path('snapshots', id), 'rootfs'))
      await this.#trash.put(this.#path('snapshots', id))
      await this.#trash.put(this.#path('snapshots', id, STAGED))
    })
  }

  // ---------------------------------------------------------------- the whole store

  list(): Promise<{ images: ImageId[]; roots: RootId[]; snapshots: SnapshotId[]; staged: string[] }> {
    return this.#step('list', async () => {
      const [images, roots, snapshots] = await Promise.all(
        ['images', 'roots', 'snapshots'].map((kind) => readdir(join(this.#opened().path, kind))),
      )
      const staged = (kind: string, names: string[] = []) =>
        names.filter((name) => name.startsWith(STAGED)).map((name) => `${kind}-${name.slice(STAGED.length)}`)
      return {
        images: (images ?? []).filter(isId).sort() as ImageId[],
        roots: (roots ?? []).filter(isId).sort() as RootId[],
        snapshots: (snapshots ?? []).filter(isId).sort() as SnapshotId[],
        staged: [...staged('image', images), ...staged('snapshot', snapshots)].sort(),
      }
    })
  }

  deleteStaged(name: string): Promise<void> {
    return this.#step('deleteStaged', async () => {
      const [, kind, id] = /^(image|snapshot)-([0-9a-f]{24})$/.exec(name) ?? []
      if (!id) throw failed('deleteStaged', `not a staged entry: ${name.slice(0, 80)}`)
      await this.#trash.put(this.#path(kind === 'image' ? 'images' : 'snapshots', id, STAGED))
    })
  }

  /** What can still be written: `pool.img` is sparse, so the host's free space counts too, less a reserve. */
  async space(): Promise<{ totalBytes: number; freeBytes: number }> {
    const volume = this.#opened()
    const pool = await statfs(volume.path)
    const free = pool.bavail * pool.bsize
    const totalBytes = pool.blocks * pool.bsize
    if (!volume.imageFile) return { totalBytes, freeBytes: free }
    const host = await statfs(this.#options.dataDir)
    return { totalBytes, freeBytes: Math.max(0, Math.min(free, host.bavail * host.bsize - HOST_RESERVE)) }
  }

  // ---------------------------------------------------------------- helpers

  async #step<T>(step: string, work: () => Promise<T>): Promise<T> {
    this.#opened()
    try {
      return await work()
    } catch (error) {
      throw classify(
        step,
        error,
        error instanceof SpawnpointError || !this.#volume ? 0 : (await this.space()).freeBytes,
      )
    }
  }

  #opened(): Volume {
    if (!this.#volume) throw unavailable('The pool is not open')
    return this.#volume
  }

  /** Every path of the pool is made here, from ids only. */
  #path(kind: 'images' | 'roots' | 'snapshots', id: string, prefix: '' | typeof STAGED = ''): string {
    if (!isId(id)) throw failed(`path in ${kind}`, `not an id: ${id.slice(0, 80)}`)
    return join(this.#opened().path, kind, prefix + id)
  }

  async #needSpace(): Promise<void> {
    const { freeBytes } = await this.space()
    if (freeBytes < POOL_RESERVE) throw diskFull(freeBytes)
  }

  async #mustBeNew(step: string, id: string, ...paths: string[]): Promise<void> {
    for (const path of paths) if (await present(path)) throw failed(step, `${id} exists already`)
  }

  async #root(id: RootId): Promise<string> {
    const path = this.#path('roots', id)
    // A root belongs to a sandbox; users never see its own id.
    if (!(await present(path))) throw notFound('sandbox', id)
    return path
  }

  async #staged(id: SnapshotId): Promise<string> {
    const path = this.#path('snapshots', id, STAGED)
    if (!(await present(path))) throw notFound('snapshot', id)
    return path
  }

  async #unshared(id: RootId, root: string): Promise<number> {
    const { exclusiveBytes } = await this.#quotas.usage(root)
    return Math.max(exclusiveBytes, this.#unsharedAtFlush.get(id) ?? 0)
  }

  /** Usage of a subvolume that is about to be renamed. */
  async #recount(how?: { wait: boolean }): Promise<void> {
    if (await this.#quotas.repair(how)) this.#options.log.warn({}, 'disk accounting was off, the kernel counts again')
  }

  async #usageOnce(subvolume: string): Promise<QgroupUsage> {
    const usage = await this.#quotas.usage(subvolume)
    this.#quotas.forget(subvolume)
    return usage
  }

  /** Undo of a step that failed: reports, as the failure itself matters more. */
  async #discard(path: string): Promise<void> {
    await this.#trash.put(path).catch((err) => this.#options.log.error({ err, path }, 'could not undo in the pool'))
  }
}

function failed(step: string, detail: string): SpawnpointError<'runtime_failed'> {
  return new SpawnpointError('runtime_failed', `The pool failed at ${step}`, { step, detail })
}

async function present(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
