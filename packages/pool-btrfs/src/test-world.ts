import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type ImageId, newId, type RootId, type SnapshotId } from '@spawnpoint/core'
import { onTestFinished } from 'vitest'
import { BtrfsPool } from './btrfs-pool.ts'
import type { QuotaMode } from './quotas.ts'

export const MIB = 2 ** 20

/** A data directory of its own with a pool in it. Disposing takes it all down, also after a failure or a kill. */
export class TestWorld implements AsyncDisposable {
  readonly dataDir: string
  readonly errors: string[] = []
  readonly #quotas: QuotaMode
  pool: BtrfsPool
  readonly #reader: string | undefined
  /** What it takes down: the data directory, or the disk that this is on */
  #all: string

  static with(quotas: QuotaMode): TestWorld {
    return new TestWorld(undefined, undefined, quotas)
  }

  /** Some way down in a btrfs that is the host's own. */
  static onBtrfs(): TestWorld {
    const host = mkdtempSync(join(tmpdir(), 'spawnpoint-pool-'))
    const [image, disk] = [join(host, 'disk.img'), join(host, 'disk')]
    mkdirSync(disk)
    execFileSync('truncate', ['--size', '8G', image])
    execFileSync('mkfs.btrfs', ['--quiet', image])
    execFileSync('mount', ['-o', 'loop', image, disk])
    const world = new TestWorld(join(disk, 'srv/data'))
    world.#all = host
    return world
  }

  constructor(
    dataDir = mkdtempSync(join(tmpdir(), 'spawnpoint-pool-')),
    reader?: string,
    quotas: QuotaMode = 'simple',
  ) {
    this.dataDir = dataDir
    this.#all = dataDir
    this.#reader = reader
    this.#quotas = quotas
    mkdirSync(dataDir, { recursive: true })
    this.pool = this.makePool()
  }

  makePool(failpoint?: (name: string) => void): BtrfsPool {
    const note = (fields: object, message: string) => this.errors.push(`${message} ${String(Object.values(fields)[0])}`)
    const log = { info: () => {}, warn: note, error: note }
    const reader = this.#reader === undefined ? {} : { reader: this.#reader }
    const size = { poolBytes: 8 * 2 ** 30, quotas: this.#quotas }
    return new BtrfsPool({ dataDir: this.dataDir, log, ...size, ...reader, ...(failpoint ? { failpoint } : {}) })
  }

  /** What a server does that comes up again after this one. */
  async reopen(): Promise<void> {
    await this.pool.close()
    this.pool = this.makePool()
    await this.pool.open()
  }

  async image(files: Record<string, string> = { hello: 'world' }): Promise<ImageId> {
    const id = newId<ImageId>()
    await this.pool.createImage(id, async (dir) => {
      const { writeFile } = await import('node:fs/promises')
      for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
    })
    return id
  }

  async root(image: ImageId, diskBytes = 1024 * MIB): Promise<RootId> {
    const id = newId<RootId>()
    await this.pool.createRoot(id, { from: 'image', id: image }, { diskBytes })
    return id
  }

  async snapshot(root: RootId, manifest: unknown = { format: 1 }): Promise<SnapshotId> {
    const id = newId<SnapshotId>()
    await this.pool.stageSnapshot(id)
    await this.pool.captureRoot(id, root)
    await this.pool.publishSnapshot(id, manifest)
    return id
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.close({ force: true })
    // The pool object may not be the one that mounted (a killed child was): take down what is there.
    while (mountsBelow(this.#all).length > 0) await unmount(mountsBelow(this.#all).at(-1) ?? '')
    rmSync(this.#all, { recursive: true })
  }
}

/** Longer than most lives that tests beside us start, and less than a hook may take: see `unmount`. */
const PATIENCE_MS = 50_000
/** For a test that waits as long as that */
export const PATIENT = { timeout: PATIENCE_MS + 30_000 }

/**
 * Unmounts, trying for as long as it may take. Whatever made itself a mount namespace meanwhile has copies of our mounts (a sandbox,
 * an image build, another server on the machine) and may keep a device busy until it ends.
 */
export async function unmount(path: string): Promise<void> {
  await eventually(() => execFileSync('umount', [path], { stdio: 'pipe' }))
}

/** As `expect(loopsOf(dir)).toEqual([])`, with the same patience. */
export async function noLoopsOf(dir: string): Promise<void> {
  await eventually(() => {
    if (loopsOf(dir).length > 0) throw new Error(`still attached: ${loopsOf(dir).join(', ')}`)
  })
}

async function eventually(work: () => void): Promise<void> {
  for (const deadline = performance.now() + PATIENCE_MS; ; await setTimeout(50)) {
    try {
      return work()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
  }
}

/** Disposes at the end of the running test, also if it failed or ran out of time (where `await using` would not). */
export function own<T extends AsyncDisposable>(thing: T): T {
  onTestFinished(() => thing[Symbol.asyncDispose]())
  return thing
}

export function mountsBelow(dir: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${dir}/`))
}

export function loopsOf(dir: string): string[] {
  const all = execFileSync('losetup', ['--noheadings', '--output', 'NAME,BACK-FILE'], { encoding: 'utf8' })
  return all.split('\n').filter((line) => line.includes(`${dir}/`))
}
