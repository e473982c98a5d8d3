import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** Where tests find the data directory of a server that has the image `base` and has stopped in order */
export const PREPARED = 'SPAWNPOINT_TEST_DATA_DIR'

/** Puts a copy of the prepared data directory into an empty one. False if none was prepared. */
export async function copyPrepared(to: string): Promise<boolean> {
  const from = process.env[PREPARED]
  if (from === undefined) return false
  await run('cp', ['--archive', '--sparse=auto', `${from}/.`, to])
  // Kernels before 6.7 do not mount a copy of a file system beside the first one.
  if (!existsSync('/sys/fs/btrfs/features/temp_fsid')) await run('btrfstune', ['-f', '-m', join(to, 'pool.img')])
  return true
}
