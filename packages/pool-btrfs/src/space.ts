import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { diskFull } from './run-tool.ts'
import type { Volume } from './volume.ts'

/** New work is refused while the file system under `pool.img` has less: were it full, btrfs would turn read-only. */
const HOST_RESERVE = 2 * 2 ** 30
/** New work is refused while the pool has less. */
const POOL_RESERVE = 256 * 2 ** 20

/** What can still be written: `pool.img` is sparse, so the host's free space counts too, less a reserve. */
export async function spaceOf({ path, imageFile }: Volume): Promise<{ totalBytes: number; freeBytes: number }> {
  const pool = await statfs(path)
  const free = pool.bavail * pool.bsize
  const totalBytes = pool.blocks * pool.bsize
  if (imageFile === null) return { totalBytes, freeBytes: free }
  const host = await statfs(dirname(imageFile))
  return { totalBytes, freeBytes: Math.max(0, Math.min(free, host.bavail * host.bsize - HOST_RESERVE)) }
}

/** Rejects `disk_full` where nothing more should be begun. */
export async function needSpace(volume: Volume): Promise<void> {
  const { freeBytes } = await spaceOf(volume)
  if (freeBytes < POOL_RESERVE) throw diskFull(freeBytes)
}
