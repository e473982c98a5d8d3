import { open, readdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A rename that is on disk when it resolves. Both names must be in one directory. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to)
  await syncPath(dirname(to))
}

/** Writes a file, replacing one that is there, and fsyncs it; its directory entry is durable only after `syncPath` of the directory. */
export async function writeFileSynced(path: string, text: string): Promise<void> {
  const handle = await open(path, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Fsyncs every file below `dir`, whose names are durable only with the next commit; returns the bytes they occupy. Never
 * follows a link. One after the other: btrfs makes those that ask at the same time wait for commits of the whole file
 * system, which took twice as long.
 */
export async function syncFilesBelow(dir: string): Promise<number> {
  const entries = await readdir(dir, { withFileTypes: true })
  let bytes = 0
  for (const entry of entries) {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) bytes += await syncFilesBelow(path)
    else if (entry.isFile()) bytes += await syncFile(path)
  }
  return bytes
}

/** Returns the bytes that the file occupies. */
async function syncFile(path: string): Promise<number> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
    return (await handle.stat()).blocks * 512
  } finally {
    await handle.close()
  }
}
