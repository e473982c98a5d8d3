import { rmdir } from 'node:fs/promises'
import type { SnapshotId } from '@spawnpoint/core'
import type { Accounts } from './accounts.ts'
import { Commits } from './commits.ts'
import { Layout } from './layout.ts'
import { openAccounts } from './open-accounts.ts'
import type { BtrfsPoolOptions } from './options.ts'
import { runTool } from './run-tool.ts'
import { spaceOf } from './space.ts'
import { Trash } from './trash.ts'
import { openVolume, type Volume } from './volume.ts'

/** A pool while it is open: what the steps on images, roots and snapshots work with. */
export interface OpenPool {
  readonly volume: Volume
  readonly layout: Layout
  readonly trash: Trash
  readonly accounts: Accounts
  readonly commits: Commits
  /** What staged snapshots hold of their roots, and what of it they took over */
  readonly captured: Map<SnapshotId, { bytes: number; takenBytes: number }>
  readonly failpoint: (name: string) => void
  readonly log: BtrfsPoolOptions['log']
}

/** Formats the pool on the first call, adopts a mount that is there, mounts otherwise; sweeps what a crash left. */
export async function openPool(options: BtrfsPoolOptions): Promise<OpenPool> {
  const { log, failpoint = () => {} } = options
  const volume = await openVolume(options.dataDir, options.poolBytes, failpoint)
  const layout = new Layout(volume.path)
  await layout.make()
  // No copy-on-write and no checksums for files made below: only then does btrfs write them with direct I/O.
  await runTool('chattr', ['+C', layout.blanks])
  const { accounts, mode: quotas } = await openAccounts(volume, options.quotas ?? 'simple', { layout, log })
  const commits = await Commits.open(layout.commits)
  const trash = new Trash(layout.trash, (err, name) =>
    log.error({ err, name }, 'could not delete from the pool, trying again at the next start'),
  )
  await trash.sweep()
  for (const path of await layout.abandonedRoots()) await trash.put(path)
  for (const path of await layout.abandonedBlanks()) await rmdir(path)
  await accounts.start()
  log.info({ ...volume, quotas, ...(await spaceOf(volume)) }, 'pool open')
  return { volume, layout, trash, accounts, commits, captured: new Map(), failpoint, log }
}

/** Undo of a step that failed: reports, as the failure itself matters more. */
export async function discard({ trash, log }: OpenPool, path: string): Promise<void> {
  await trash.put(path).catch((err) => log.error({ err, path }, 'could not undo in the pool'))
}
