import { randomBytes } from 'node:crypto'
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { deleteSubvolume, isSubvolume } from './btrfs.ts'

const LATER_MS = 5_000

/**
 * Deletes in the background. A thing is gone for everybody once it is renamed into the trash directory; whatever a
 * crash leaves there is deleted after the next start.
 */
export class Trash {
  readonly #dir: string
  readonly #report: (error: unknown, name: string) => void
  readonly #waiting = new Map<string, NodeJS.Timeout>()
  #work: Promise<void> = Promise.resolve()

  constructor(dir: string, report: (error: unknown, name: string) => void) {
    this.#dir = dir
    this.#report = report
  }

  /** Moves `path` in, false if there was nothing. Resolves after the rename. */
  async put(path: string): Promise<boolean> {
    const name = this.newName()
    try {
      await rename(path, join(this.#dir, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
    this.drop(name)
    return true
  }

  /** A free name in the trash directory, for things that are made only to be thrown away. */
  newName(): string {
    return randomBytes(12).toString('hex')
  }

  path(name: string): string {
    return join(this.#dir, name)
  }

  /** Deletes the entry of that name some time after the call. */
  drop(name: string): void {
    this.#work = this.#work.then(() => deleteEntry(join(this.#dir, name)).catch((error) => this.#report(error, name)))
  }

  /** As `drop`, some seconds later or when the trash is settled, whichever comes first. */
  dropLater(name: string): void {
    const timer = setTimeout(() => this.#dropWaiting(name), LATER_MS)
    timer.unref()
    this.#waiting.set(name, timer)
  }

  #dropWaiting(name: string): void {
    clearTimeout(this.#waiting.get(name))
    this.#waiting.delete(name)
    this.drop(name)
  }

  /** Queues what an earlier process left. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#dir)) this.drop(name)
  }

  /** Resolves when all that was queued is deleted or reported. */
  async settled(): Promise<void> {
    for (const name of [...this.#waiting.keys()]) this.#dropWaiting(name)
    await this.#work
  }
}

/** An entry is a subvolume or a plain directory of ours that holds subvolumes at its first level. */
async function deleteEntry(path: string): Promise<void> {
  if (await isSubvolume(path)) return deleteSubvolume(path)
  for (const entry of await readdir(path)) {
    const child = join(path, entry)
    if (await isSubvolume(child)) await deleteSubvolume(child)
  }
  await rm(path, { recursive: true, force: true })
}
