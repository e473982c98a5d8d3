import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ImageId, newId, type RootId, type SnapshotId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { Quotas } from './quotas.ts'
import { MIB, mountsBelow, noLoopsOf, own, PATIENT, TestWorld, unmount } from './test-world.ts'

const CHILD = join(import.meta.dirname, 'crash-child.ts')

class Worker implements AsyncDisposable {
  readonly process: ChildProcess
  printed = ''

  constructor(dataDir: string, point = '') {
    this.process = spawn(process.execPath, [CHILD, dataDir, point], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // A group of its own: the programs it runs die with it.
      detached: true,
    })
    this.process.stdout?.on('data', (chunk: Buffer) => {
      this.printed += chunk
    })
  }

  get acknowledged(): string[][] {
    const lines = this.printed.split('\n').slice(0, -1)
    return lines.map((line) => line.split(' '))
  }

  async kill(): Promise<void> {
    try {
      process.kill(-(this.process.pid ?? 0), 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      // The whole group has ended already.
    }
    await this.ended()
  }

  async ended(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'close')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

/** All that was acknowledged is there and whole; nothing else is half there under its final name. */
async function verify(world: TestWorld, acknowledged: string[][]): Promise<void> {
  const { images, roots, snapshots, staged } = await world.pool.list()
  const deleting = new Set(acknowledged.filter(([what]) => what === 'deleting').map(([, id]) => id))
  for (const [what, id = '', from] of acknowledged) {
    if (what === 'image') expect(images).toContain(id)
    if (what === 'snapshot') {
      expect(snapshots).toContain(id)
      expect(await world.pool.readManifest(id as SnapshotId)).toEqual({ root: from })
    }
    if (what === 'root' && !deleting.has(id)) expect(roots).toContain(id)
  }
  for (const id of snapshots) {
    const dir = join(world.pool.memoryDir(id), '..')
    expect(readdirSync(dir).sort()).toEqual(['account', 'manifest.json', 'memory', 'rootfs'])
    const { root } = (await world.pool.readManifest(id)) as { root: RootId }
    expect(readFileSync(join(dir, 'rootfs', 'data'), 'utf8')).toBe(`root ${root}`)
    expect(readFileSync(join(dir, 'memory', 'pages.img')).equals(Buffer.alloc(1 << 20, id))).toBe(true)
    const clone = newId<RootId>()
    await world.pool.createRoot(clone, { from: 'snapshot', id }, { diskBytes: 2 ** 30 })
    await world.pool.deleteRoot(clone)
  }
  for (const id of images) {
    const files = readdirSync(join(world.dataDir, 'pool', 'images', id, 'rootfs')).sort()
    expect([['round'], ['data', 'more', 'round']]).toContainEqual(files)
  }
  const path = join(world.dataDir, 'pool')
  const quotas = new Quotas(path)
  await quotas.enable(false)
  for (const id of roots) {
    // Less the image, which is small.
    const limit = await quotas.limit(join(path, 'roots', id))
    expect(limit).toBeLessThan(2 ** 30)
    expect(limit).toBeGreaterThan(2 ** 30 - 8 * MIB)
    expect((await world.pool.rootUsage(id)).usedBytes).toBeLessThan(8 * MIB)
    await world.pool.deleteRoot(id)
  }
  for (const name of staged) await world.pool.deleteStaged(name)
  for (const id of snapshots) await world.pool.deleteSnapshot(id)
  for (const id of images) await world.pool.deleteImage(id as ImageId)
  await world.reopen()
  expect(await world.pool.list()).toEqual({ images: [], roots: [], snapshots: [], staged: [] })
  await world.pool.close()
  await noLoopsOf(world.dataDir)
  await world.pool.open()
  const left = execFileSync('btrfs', ['subvolume', 'list', path], { encoding: 'utf8' })
  // The pool's own, see `Commits`
  expect(left).toMatch(/^ID \d+ gen \d+ top level 5 path commits\/[01]\n$/)
}

describe('kill -9', PATIENT, () => {
  it.each([
    'pool.open.attached',
    'pool.createImage.staged',
    'pool.createImage.filled',
    'pool.createImage.synced',
    'pool.createImageFrom.cloned',
    'pool.createRoot.cloned',
    'pool.createRoot.limited',
    'pool.stageSnapshot.made',
    'pool.flushRoot.taken',
    'pool.captureRoot.captured',
    'pool.publishSnapshot.synced',
    'pool.publishSnapshot.written',
    'pool.delete.renamed',
  ])('at %s leaves everything whole or absent', async (point) => {
    const world = own(new TestWorld())
    const worker = own(new Worker(world.dataDir, point))
    await worker.ended()
    expect(worker.process.signalCode).toBe('SIGKILL')
    await world.pool.open()
    await verify(world, worker.acknowledged)
    expect(world.errors).toEqual([])
  })
})

describe('a power cut', PATIENT, () => {
  it.each([1, 2, 3])('loses nothing that was acknowledged (%i)', async (round) => {
    const outer = own(new TestWorld())
    const image = join(outer.dataDir, 'disk.img')
    const disk = join(outer.dataDir, 'disk')
    mkdirSync(disk)
    execFileSync('truncate', ['-s', '12G', image])
    execFileSync('mkfs.ext4', ['-q', image])
    execFileSync('mount', ['-o', 'loop', image, disk])
    const dataDir = join(disk, 'data')
    const worker = own(new Worker(dataDir))
    // Cut at another place of the work each time, once there is something to lose.
    await expect.poll(() => worker.acknowledged.length, { timeout: 20_000, interval: 1 }).toBeGreaterThan(5 + round * 3)
    shutdownFilesystem(disk)
    await worker.kill()
    const { acknowledged } = worker
    await unmount(join(dataDir, 'pool'))
    await unmount(disk)
    await noLoopsOf(outer.dataDir)
    execFileSync('mount', ['-o', 'loop', image, disk])
    const world = own(new TestWorld(dataDir))
    await world.pool.open()
    await verify(world, acknowledged)
    await world.pool.close({ force: true })
    expect(mountsBelow(dataDir)).toEqual([])
  })
})

/** Stops an ext4 dead without writing its journal out: what was not on disk before is lost, as by a power cut. */
function shutdownFilesystem(mount: string): void {
  const program = 'open(my $d, "<", $ARGV[0]) or die $!; my $how = pack("I", 2); ioctl($d, 0x8004587D, $how) or die $!'
  execFileSync('perl', ['-e', program, mount])
}
