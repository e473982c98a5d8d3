import { randomBytes } from 'node:crypto'
import { readdir, readlink, rename, symlink, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * A record is the target of a link that leads nowhere: it is on disk with whatever is committed next, which a file's content
 * is only after an fsync of its own.
 */
export async function writeAccount(path: string, account: object): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  await symlink(JSON.stringify(account), draft)
  await rename(draft, path)
}

export async function readAccount<T extends object>(path: string): Promise<T | null> {
  try {
    return JSON.parse(await readlink(path)) as T
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Removes what belongs to none of `ids`. */
export async function sweepAccounts(dir: string, ids: readonly string[]): Promise<void> {
  const kept = new Set(ids)
  for (const name of await readdir(dir)) if (!kept.has(name)) await removeAccount(join(dir, name))
}

export async function removeAccount(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}
