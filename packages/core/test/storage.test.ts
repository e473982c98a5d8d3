import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Core, Sandbox, SnapshotId } from '../src/index.ts'
import { World } from './world.ts'

const MINUTE = 60_000
const KIB = 1024

let world: World
let core: Core
let origin: Sandbox
beforeEach(async () => {
  world = new World()
  core = await world.server({ fakeTime: true })
  origin = await world.sandbox(core)
})
afterEach(() => core.close())

async function pass(ms: number): Promise<void> {
  world.clock.advance(ms)
  await world.host.faults.quiet()
}

async function write(name: string, bytes: number): Promise<void> {
  const { guest } = await core.sandboxes.guest(world.by, origin.id)
  await guest.files.write(`/${name}`, Readable.from([Buffer.alloc(bytes, name)]))
}

async function capture(): Promise<SnapshotId> {
  return (await (await core.snapshots.create(world.by, origin.id, { kind: 'filesystem' })).done).id
}
const storageOf = async (id: SnapshotId) => (await core.snapshots.get(world.by, id)).storage

it('is measured in the background, for each snapshot and for the team, and again after a while', async () => {
  await write('first', 64 * KIB)
  const id = await capture()
  expect(await storageOf(id)).toBeNull()
  expect(await core.storage.get(world.by)).toBeNull()
  await pass(2 * MINUTE)
  const before = await storageOf(id)
  const team = await core.storage.get(world.by)
  expect(before).toMatchObject({ uniqueBytes: 0 })
  expect(before?.sharedBytes).toBeGreaterThanOrEqual(64 * KIB)
  expect(team).toMatchObject({ sharedBytes: 0, snapshots: 1, images: 1, roots: 1, at: before?.at })
  await write('first', 32 * KIB)
  await pass(15 * MINUTE)
  expect(await storageOf(id)).toMatchObject({
    uniqueBytes: 64 * KIB,
    sharedBytes: Number(before?.sharedBytes) - 64 * KIB,
  })
  expect((await core.storage.get(world.by))?.uniqueBytes).toBe(Number(team?.uniqueBytes) + 32 * KIB)
  await core.snapshots.delete(world.by, id, { permanent: true })
  await pass(15 * MINUTE)
  expect(await core.storage.get(world.by)).toMatchObject({
    uniqueBytes: Number(team?.uniqueBytes) - 32 * KIB,
    snapshots: 0,
  })
})

it('counts volumes', async () => {
  await pass(2 * MINUTE)
  const before = await core.storage.get(world.by)
  await core.volumes.create(world.by, { name: 'data', sizeBytes: 2 ** 30 })
  await pass(15 * MINUTE)
  expect(await core.storage.get(world.by)).toMatchObject({ roots: Number(before?.roots) + 1 })
})

it('tells a team nothing of another, and what both share of each', async () => {
  const { key } = await core.createTeam('other')
  const other = await core.authenticate(key)
  await pass(2 * MINUTE)
  expect(await core.storage.get(other)).toBeNull()
  expect(await core.storage.get(world.by)).toMatchObject({ roots: 1 })
})

it('survives a store that cannot be measured, and a server that dies meanwhile', async () => {
  const id = await capture()
  world.host.faults.failNext('pool.measure', new Error('no perl'))
  await pass(2 * MINUTE)
  expect(await storageOf(id)).toBeNull()
  await pass(15 * MINUTE)
  expect(await storageOf(id)).not.toBeNull()
  world.host.faults.crash()
  core = await world.server({ fakeTime: true })
  expect(await storageOf(id)).not.toBeNull()
  expect(await world.disagreements(core)).toEqual([])
})
