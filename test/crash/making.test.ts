import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { World } from '../e2e/world.ts'
import { freshOrigin, origin, walk, world } from './walk.ts'

/** Built in a moment. */
const buildSmall = (w: World) => w.client.images.build({ name: 'small', source: { type: 'tar', path: 'small.tar' } })

await walk([
  {
    name: 'image build',
    kinds: ['image.build'],
    also: ['pool.createImage.staged', 'pool.createImage.filled', 'pool.createImage.synced'],
    run: buildSmall,
    after: ['running'],
  },
  {
    name: 'delete an image',
    kinds: ['image.delete'],
    run: async (w) => w.client.images.delete((await buildSmall(w)).id),
    after: ['running'],
  },
  {
    name: 'create',
    kinds: ['sandbox.create'],
    run: (w) => w.client.sandboxes.create({ image: 'base' }),
    after: ['running'],
  },
  { name: 'spawn', kinds: ['sandbox.create'], run: (_w, _o, point) => point.spawn(), after: ['running'] },
  { name: 'fork', kinds: ['sandbox.fork'], run: (_w, o) => o.fork(2), after: ['running'] },
])

const MIB = 2 ** 20
const roots = () => join(world.dataDir, 'pool/roots')

/** Whether so much can be put into a root, asked of the file system that bounds it. */
function takes(root: string, bytes: number): boolean {
  const file = join(roots(), root, 'filling')
  try {
    execFileSync('fallocate', ['--length', String(bytes), file], { stdio: 'ignore' })
    return true
  } catch {
    // EDQUOT
    return false
  } finally {
    if (existsSync(file)) execFileSync('rm', [file])
  }
}

async function killedAt(point: string, work: () => Promise<unknown>): Promise<void> {
  world.crashAt(point)
  expect(await world.diedDuring(work()), 'the point was not reached').toBe(true)
  await world.startServer()
}

describe('killed between a record and its effect', () => {
  beforeAll(freshOrigin)

  it('the files of a volume go with the one that was not recorded', async () => {
    await killedAt('volume.create.made', () => world.client.volumes.create({ name: 'data', sizeBytes: 8 * MIB }))
    expect(await Array.fromAsync(world.client.volumes.list())).toEqual([])
    expect(readdirSync(roots())).toHaveLength(1) // the sandbox's
  })

  it('a volume is bounded as its record says', async () => {
    const { id } = await world.client.volumes.create({ name: 'data', sizeBytes: 8 * MIB })
    expect(takes(id, 64 * MIB)).toBe(false)
    await killedAt('volume.resize.recorded', () => world.client.volumes.resize(id, { sizeBytes: 128 * MIB }))
    expect((await world.client.volumes.get(id)).sizeBytes).toBe(128 * MIB)
    expect([takes(id, 64 * MIB), takes(id, 256 * MIB)]).toEqual([true, false])
  })

  it('a volume that was deleted leaves no files', async () => {
    const { id } = await world.client.volumes.get('data')
    await killedAt('volume.delete.recorded', () => world.client.volumes.delete(id))
    expect(await Array.fromAsync(world.client.volumes.list())).toEqual([])
    expect(readdirSync(roots())).not.toContain(id)
  })

  it('a sandbox has the disk that its record tells, and runs on', async () => {
    const [root] = readdirSync(roots())
    if (root === undefined) throw new Error('it has no root')
    const { diskBytes } = origin.info.resources
    expect(takes(root, diskBytes)).toBe(false)
    const resources = { diskBytes: 3 * diskBytes }
    await killedAt('sandbox.update.recorded', async () =>
      (await world.client.sandboxes.get(origin.id)).update({ resources }),
    )
    const sandbox = await world.client.sandboxes.get(origin.id)
    expect(sandbox.info.resources.diskBytes).toBe(3 * diskBytes)
    expect([takes(root, diskBytes), takes(root, 3 * diskBytes)]).toEqual([true, false])
    expect((await sandbox.run('echo alive')).stdout).toBe('alive\n')
  })
})
