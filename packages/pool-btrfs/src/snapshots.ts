import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { RootId, SnapshotId, SnapshotSizes } from '@spawnpoint/core'
import { deleteSubvolume, snapshotSubvolume } from './btrfs.ts'
import { syncFilesBelow } from './durable.ts'
import { failed, present } from './layout.ts'
import { writeManifest } from './manifest.ts'
import { discard, type OpenPool } from './open-pool.ts'
import { needSpace } from './space.ts'

/** A snapshot is staged, given its memory and its root, and published by a rename; see `Pool`. */
export async function stageSnapshot(pool: OpenPool, id: SnapshotId): Promise<{ memoryDir: string }> {
  await needSpace(pool.volume)
  const { staged } = await pool.layout.fresh('stageSnapshot', 'snapshots', id)
  const memoryDir = join(staged, 'memory')
  const blank = pool.layout.blank(id)
  await mkdir(staged, { mode: 0o700 })
  try {
    await mkdir(blank, { mode: 0o700 })
    pool.failpoint('pool.stageSnapshot.made')
    await rename(blank, memoryDir)
  } catch (error) {
    await discard(pool, staged)
    throw error
  }
  return { memoryDir }
}

export async function captureRoot(pool: OpenPool, id: SnapshotId, rootId: RootId): Promise<void> {
  const staged = await pool.layout.stagedSnapshot(id)
  const root = await pool.layout.root(rootId)
  const rootfs = join(staged, 'rootfs')
  // A capture that is made again replaces the first.
  if (await present(rootfs)) await deleteSubvolume(rootfs)
  const take = () => snapshotSubvolume(root, rootfs, { readOnly: true })
  pool.captured.set(id, await pool.accounts.capture(rootId, staged, take))
  pool.failpoint('pool.captureRoot.captured')
}

/** Sizes count blocks on disk. `newlyStoredBytes` is the memory and what the root had to itself before the capture. */
export async function publishSnapshot(pool: OpenPool, id: SnapshotId, manifest: unknown): Promise<SnapshotSizes> {
  const staged = await pool.layout.stagedSnapshot(id)
  const captured = pool.captured.get(id)
  if (!captured) throw failed('publishSnapshot', `${id} has no captured root`)
  const memoryBytes = await syncFilesBelow(join(staged, 'memory'))
  await writeManifest(staged, manifest)
  pool.failpoint('pool.publishSnapshot.synced')
  await rename(staged, pool.layout.published('snapshots', id))
  pool.failpoint('pool.publishSnapshot.written')
  // The names of all that was flushed above, and of the whole, in one.
  await pool.commits.make()
  pool.captured.delete(id)
  return {
    memoryBytes,
    filesystemBytes: captured.bytes,
    newlyStoredBytes: memoryBytes + captured.takenBytes,
  }
}

export async function deleteSnapshot({ accounts, captured, layout, trash }: OpenPool, id: SnapshotId): Promise<void> {
  captured.delete(id)
  accounts.forget(layout.published('snapshots', id))
  await trash.put(layout.published('snapshots', id))
  await trash.put(layout.staged('snapshots', id))
}
