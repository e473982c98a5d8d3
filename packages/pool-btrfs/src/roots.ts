import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { invalidArgument, type RootId, type RootSource } from '@spawnpoint/core'
import { overrunOf } from './accounts.ts'
import { createSubvolume, snapshotSubvolume } from './btrfs.ts'
import { renameDurably } from './durable.ts'
import { present } from './layout.ts'
import { discard, type OpenPool } from './open-pool.ts'
import { needSpace } from './space.ts'

/** Less than this is not worth a snapshot of its own. */
const FLUSHED_FROM_BYTES = 2 ** 20

/**
 * Clones in O(1). The clone gets its limit under a staging name, so that no root is ever without one. Rejects
 * `invalid_argument` if the source alone is larger than `diskBytes`, but for what a root that was full may be counted over its
 * limit: it could not be resumed otherwise. What is made of it then has next to no room.
 */
export async function createRoot(
  pool: OpenPool,
  id: RootId,
  source: RootSource | null,
  limits: { diskBytes: number },
): Promise<void> {
  await needSpace(pool.volume)
  const from = source === null ? null : await pool.layout.source(source)
  const { published, staged } = await pool.layout.fresh('createRoot', 'roots', id)
  const sizeBytes = from === null ? 0 : await pool.accounts.sizeOf(from, limits.diskBytes)
  if (sizeBytes > limits.diskBytes + (source?.from === 'snapshot' ? overrunOf(limits.diskBytes) : 0)) {
    throw invalidArgument('resources.diskBytes', `the ${source?.from} alone takes ${sizeBytes} bytes`)
  }
  try {
    if (from === null) {
      await createSubvolume(staged)
      await chmod(staged, 0o777)
    } else await snapshotSubvolume(join(from, 'rootfs'), staged, { readOnly: false })
    pool.failpoint('pool.createRoot.cloned')
    await pool.accounts.rootMade(id, staged, { sizeBytes, ...limits }, from)
    pool.failpoint('pool.createRoot.limited')
    // The rename of a subvolume makes this fsync a full commit: clone and limit are on disk with the name.
    await renameDurably(staged, published)
  } catch (error) {
    await discard(pool, staged)
    await pool.accounts.rootGone(id).catch(() => {}) // what is left of it goes at the next start
    throw error
  }
}

export async function deleteRoot({ accounts, failpoint, layout, trash }: OpenPool, id: RootId): Promise<void> {
  await trash.put(layout.published('roots', id))
  failpoint('pool.delete.renamed')
  await accounts.rootGone(id)
}

/**
 * Takes a snapshot and throws it away where there is data to write: that writes this root's only. `btrfs filesystem
 * sync` would write everybody's, which beside a busy sandbox took 600 ms instead of 80, and left the capture that
 * followed at 45 ms instead of 5. Where there is none it commits, so that the accounting of what others have deleted,
 * seconds of work at times, is not left to the capture either.
 */
export async function flushRoot({ accounts, commits, failpoint, layout, trash }: OpenPool, id: RootId): Promise<void> {
  const root = await layout.root(id)
  if ((await accounts.dirtyBytes(id)) < FLUSHED_FROM_BYTES) return await commits.settle()
  await accounts.beforeFlush(id)
  const name = trash.newName()
  try {
    await snapshotSubvolume(root, trash.path(name), { readOnly: true })
    failpoint('pool.flushRoot.taken')
  } finally {
    // Not at once: the accounting would be beside the capture that follows.
    if (await present(trash.path(name))) trash.dropLater(name)
  }
}
