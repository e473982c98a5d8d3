import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import type { RuntimeAgents } from '@spawnpoint/core'

const DIGEST = /^[0-9a-f]{64}$/

/**
 * Agents by SHA-256, one directory each. A memory snapshot maps the agent it was taken with, so a restore needs that very
 * file; old ones therefore stay.
 */
export class AgentStore implements RuntimeAgents {
  readonly #dir: string

  constructor(cacheDir: string) {
    this.#dir = `${cacheDir}/agents`
  }

  /** Directory to mount. */
  dirOf(digest: string): string {
    return `${this.#dir}/${digest}`
  }

  async has(digest: string): Promise<boolean> {
    if (!DIGEST.test(digest)) return false
    try {
      return (await stat(`${this.dirOf(digest)}/agent`)).isFile()
    } catch {
      // ENOENT: never seen here.
      return false
    }
  }

  async file(digest: string): Promise<string | null> {
    return (await this.has(digest)) ? `${this.dirOf(digest)}/agent` : null
  }

  /** Takes a copy of `file`; returns its digest. */
  async add(file: string): Promise<string> {
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
    if (await this.has(digest)) return digest
    const temporary = `${this.#dir}/.${digest}.${process.pid}`
    await rm(temporary, { recursive: true, force: true })
    await mkdir(temporary, { recursive: true, mode: 0o755 })
    await copyFile(file, `${temporary}/agent`)
    await chmod(`${temporary}/agent`, 0o755)
    await sync(`${temporary}/agent`)
    try {
      await rename(temporary, this.dirOf(digest))
    } catch (error) {
      await rm(temporary, { recursive: true, force: true })
      // ENOTEMPTY: another server with the same cache was first, with the same bytes.
      if (!(await this.has(digest))) throw error
    }
    await sync(this.#dir)
    return digest
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
