import { lstat } from 'node:fs/promises'
import { runTool } from './run-tool.ts'

/** Inode number of the root directory of every btrfs subvolume. */
const SUBVOLUME_INODE = 256

/** True for a directory that is the root of a subvolume; a link never counts. */
export async function isSubvolume(path: string): Promise<boolean> {
  const stat = await lstat(path)
  return stat.isDirectory() && stat.ino === SUBVOLUME_INODE
}

export async function createSubvolume(path: string): Promise<void> {
  await runTool('btrfs', ['subvolume', 'create', path])
}

/**
 * O(1) in the size of `source`. The kernel first writes the dirty data of `source`, then commits the transaction: when
 * this resolves, the snapshot is on disk and so is everything renamed or limited before it.
 */
export async function snapshotSubvolume(source: string, target: string, options: { readOnly: boolean }): Promise<void> {
  await runTool('btrfs', ['subvolume', 'snapshot', ...(options.readOnly ? ['-r'] : []), source, target], 600_000)
}

/** Unlinks the subvolume; the kernel's cleaner gives its blocks back later. */
export async function deleteSubvolume(path: string): Promise<void> {
  await runTool('btrfs', ['subvolume', 'delete', path])
}

export async function makeReadOnly(path: string): Promise<void> {
  await runTool('btrfs', ['property', 'set', '-ts', path, 'ro', 'true'])
}

/** Limits what the subvolume refers to, data and metadata, shared or not. Writers beyond it get EDQUOT. */
export async function limitSubvolume(path: string, bytes: number): Promise<void> {
  await runTool('btrfs', ['qgroup', 'limit', String(bytes), path])
}

/** Writes all dirty data of the whole file system and commits. Slow beside busy sandboxes. */
export async function syncFilesystem(path: string): Promise<void> {
  await runTool('btrfs', ['filesystem', 'sync', path], 600_000)
}
