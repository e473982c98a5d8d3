import { readdir, readFile, writeFile } from 'node:fs/promises'
import { runTool, ToolFailed } from './run-tool.ts'
import { enableSimpleQuotas } from './tree-scan.ts'

const RECOUNT_TIMEOUT_MS = 600_000
/** Number of the first subvolume that is anybody's */
const FIRST_SUBVOLUME = 256

export type QuotaMode = 'full' | 'simple'

export interface QgroupUsage {
  /** Bytes reachable from the subvolume, shared or not */
  referencedBytes: number
  /** Bytes that nothing else refers to */
  exclusiveBytes: number
  /** Bytes of both that are written but not on disk yet */
  dirtyBytes: number
}

/**
 * Space accounting of one mounted file system. The kernel shows it in sysfs, where a read costs microseconds; the
 * `btrfs` program would search the whole quota tree. Figures are of the last commit plus what is reserved for data that
 * is dirty still, so they are current to a few percent without a sync.
 */
export class Quotas {
  readonly #path: string
  readonly #ids = new Map<string, string>()
  #sysfs = ''

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Turns accounting on where it is off; returns what the kernel counts. `simple` asks for simple quotas, which is right only
   * before anything is written: what is there already counts for nobody for ever. Where the kernel has none (before 6.7)
   * it is full ones. On a file system in use their first count goes on in the kernel afterwards.
   */
  async enable(simple: boolean): Promise<QuotaMode> {
    // `btrfs` answers for mount points only, and the pool may be a directory of the host's own file system.
    const mount = await runTool('findmnt', ['-nf', '-o', 'TARGET', '--target', this.#path])
    const uuid = /uuid: ([0-9a-f-]{36})/.exec(await runTool('btrfs', ['filesystem', 'show', '--raw', mount]))?.[1]
    if (!uuid) throw new Error(`no btrfs file system at ${this.#path}`)
    this.#sysfs = `/sys/fs/btrfs/${uuid}/qgroups`
    if ((await this.#flag('enabled')) !== '1' && !(simple && (await this.#enableSimple()))) {
      await runTool('btrfs', ['quota', 'enable', this.#path])
    }
    if ((await this.#flag('mode')) === 'squota') return 'simple'
    // Deleting a subvolume with a large shared tree would by default mark all accounting inconsistent and thereby end
    // every limit: a guest that makes millions of files could lift the limits of all. 8 is "never" (the deepest tree).
    await writeFile(`${this.#sysfs}/drop_subtree_threshold`, '8').catch((error: NodeJS.ErrnoException) => {
      // Kernels before 6.1 have no such shortcut to turn off.
      if (error.code !== 'ENOENT') throw error
    })
    // Before 6.12 the kernel keeps the groups of deleted subvolumes; they would pile up for ever.
    await runTool('btrfs', ['qgroup', 'clear-stale', this.#path]).catch(() => {
      // Harmless: an old btrfs-progs without the command, or a rescan that goes on; stale groups only take space.
    })
    return 'full'
  }

  async #enableSimple(): Promise<boolean> {
    return enableSimpleQuotas(this.#path).then(
      () => true,
      // An older kernel, or no perl: full quotas are as good but for what they cost.
      () => false,
    )
  }

  /**
   * Starts the kernel's recount if it says that its figures are wrong: limits don't hold until it is done, and what was
   * written since counts as nothing. True if this has started one, false if none is needed or one goes on.
   */
  async repair(): Promise<boolean> {
    if ((await this.#flag('inconsistent')) !== '1') return false
    try {
      await runTool('btrfs', ['quota', 'rescan', this.#path])
      return true
    } catch (error) {
      if (error instanceof ToolFailed && /in progress/i.test(error.stderr)) return false
      throw error
    }
  }

  /** Resolves when the figures are right, after a recount if they were not. */
  async consistent(): Promise<void> {
    if ((await this.#flag('inconsistent')) !== '1') return
    await runTool('btrfs', ['quota', 'rescan', '--wait', this.#path], RECOUNT_TIMEOUT_MS)
  }

  async usage(subvolume: string): Promise<QgroupUsage> {
    const dir = await this.#group(subvolume)
    const [referenced, exclusive, reserved] = await Promise.all(
      ['referenced', 'exclusive', 'rsv_data'].map(async (name) => Number(await readFile(`${dir}/${name}`, 'utf8'))),
    )
    const dirty = reserved ?? 0
    return { referencedBytes: (referenced ?? 0) + dirty, exclusiveBytes: (exclusive ?? 0) + dirty, dirtyBytes: dirty }
  }

  /** In bytes */
  async limit(subvolume: string): Promise<number> {
    return Number(await readFile(`${await this.#group(subvolume)}/max_referenced`, 'utf8'))
  }

  /** Where the kernel shows the group of the subvolume. */
  async #group(subvolume: string): Promise<string> {
    let id = this.#ids.get(subvolume)
    if (!id) {
      id = await runTool('btrfs', ['inspect-internal', 'rootid', subvolume])
      this.#ids.set(subvolume, id)
    }
    return `${this.#sysfs}/0_${id}`
  }

  /** Must be called when the subvolume at this path goes: another may take the path. */
  forget(subvolume: string): void {
    this.#ids.delete(subvolume)
  }

  /** Groups of subvolumes that count nothing, as `0/ID`: those of deleted ones, and of some that have just been made. */
  async emptyGroups(): Promise<string[]> {
    const empty: string[] = []
    for (const name of await readdir(this.#sysfs)) {
      const id = /^0_(\d+)$/.exec(name)?.[1]
      if (id === undefined || Number(id) < FIRST_SUBVOLUME) continue
      // One that has gone meanwhile is not there to be removed.
      const bytes = await readFile(`${this.#sysfs}/${name}/referenced`, 'utf8').catch(() => '')
      if (bytes.trim() === '0') empty.push(`0/${id}`)
    }
    return empty
  }

  async removeGroup(group: string): Promise<void> {
    await runTool('btrfs', ['qgroup', 'destroy', group, this.#path]).catch(() => {
      // Harmless: it has gone meanwhile, or its subvolume has not; an empty group takes a few bytes.
    })
  }

  async #flag(name: string): Promise<string> {
    return readFile(`${this.#sysfs}/${name}`, 'utf8').then(
      (text) => text.trim(),
      // Harmless: while quotas are off the directory does not exist, and old kernels lack some flags.
      () => '',
    )
  }
}
