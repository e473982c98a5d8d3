import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageId, RootSource } from '@spawnpoint/core'
import { createSubvolume, limitSubvolume, makeReadOnly, snapshotSubvolume, syncFilesystem } from './btrfs.ts'
import { renameDurably } from './durable.ts'
import { discard, type OpenPool } from './open-pool.ts'
import { needSpace } from './space.ts'

/** An image is made under a staging name and published by a rename; see `Pool`, which says what each of these does. */
export async function createImage(
  pool: OpenPool,
  id: ImageId,
  fill: (dir: string) => Promise<void>,
  limits?: { maxBytes: number },
): Promise<{ sizeBytes: number }> {
  await needSpace(pool.volume)
  const { published, staged } = await pool.layout.fresh('createImage', 'images', id)
  await mkdir(staged, { mode: 0o700 })
  try {
    const rootfs = join(staged, 'rootfs')
    await createSubvolume(rootfs)
    if (limits) await limitSubvolume(rootfs, limits.maxBytes)
    pool.failpoint('pool.createImage.staged')
    await fill(rootfs)
    pool.failpoint('pool.createImage.filled')
    await makeReadOnly(rootfs)
    await syncFilesystem(rootfs)
    return await publish(pool, staged, published, await pool.accounts.imageMade(staged))
  } catch (error) {
    await discard(pool, staged)
    throw error
  }
}

export async function createImageFrom(pool: OpenPool, id: ImageId, source: RootSource): Promise<{ sizeBytes: number }> {
  await needSpace(pool.volume)
  const from = await pool.layout.source(source)
  const { published, staged } = await pool.layout.fresh('createImageFrom', 'images', id)
  await mkdir(staged, { mode: 0o700 })
  try {
    await snapshotSubvolume(join(from, 'rootfs'), join(staged, 'rootfs'), { readOnly: true })
    pool.failpoint('pool.createImageFrom.cloned')
    return await publish(pool, staged, published, await pool.accounts.copied(from, staged))
  } catch (error) {
    await discard(pool, staged)
    throw error
  }
}

async function publish(
  { failpoint }: OpenPool,
  staged: string,
  published: string,
  sizeBytes: number,
): Promise<{ sizeBytes: number }> {
  failpoint('pool.createImage.synced')
  await renameDurably(staged, published)
  return { sizeBytes }
}

export async function deleteImage({ accounts, layout, trash }: OpenPool, id: ImageId): Promise<void> {
  accounts.forget(layout.published('images', id))
  await trash.put(layout.published('images', id))
  await trash.put(layout.staged('images', id))
}
