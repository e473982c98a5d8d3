import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { createSubvolume } from './btrfs.ts'
import { syncPath } from './durable.ts'

/** A commit that takes longer had much to account for, and more may have come meanwhile: it is worth a second one. */
const SLOW_MS = 100
/** So soon after a quick one there is nothing to do. */
const RECENT_MS = 20

/**
 * Commits of the whole file system, at the cost of two calls: the rename of a subvolume makes the next fsync a commit. Dirty
 * data of files is left alone, which `btrfs filesystem sync` would write first.
 */
export class Commits {
  readonly #dir: string
  #name: string
  #turn: Promise<void> = Promise.resolve()
  #quickAt = Number.NEGATIVE_INFINITY
  /** Asked for and not begun yet */
  #wanted: Promise<void> | null = null

  private constructor(dir: string, name: string) {
    this.#dir = dir
    this.#name = name
  }

  /** Preconditions: `dir` is there and nobody else's. */
  static async open(dir: string): Promise<Commits> {
    const [name = '0'] = await readdir(dir)
    const commits = new Commits(dir, name)
    if (!(await readdir(dir)).includes(name)) await createSubvolume(join(dir, name))
    return commits
  }

  /** Returns when little is left for whoever commits next. Callers take turns. */
  settle(): Promise<void> {
    return this.#inTurn(() => this.#settle())
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work)
    // Each hears of its own failure.
    this.#turn = turn.catch(() => {})
    return turn
  }

  /**
   * Everything that was renamed, linked and removed before is on disk when this resolves, at once or not at all; what files
   * hold is if it was flushed. Who asks while others do so shares their commit.
   */
  make(): Promise<void> {
    this.#wanted ??= this.#inTurn(async () => {
      this.#wanted = null
      await this.#commit()
    })
    return this.#wanted
  }

  async #settle(): Promise<void> {
    if (performance.now() - this.#quickAt < RECENT_MS) return
    if ((await this.#commit()) >= SLOW_MS) await this.#commit()
  }

  /** Returns the milliseconds it took. */
  async #commit(): Promise<number> {
    const began = performance.now()
    const next = this.#name === '0' ? '1' : '0'
    await rename(join(this.#dir, this.#name), join(this.#dir, next))
    this.#name = next
    await syncPath(this.#dir)
    const ended = performance.now()
    if (ended - began < SLOW_MS) this.#quickAt = ended
    return ended - began
  }
}
