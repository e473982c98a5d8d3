import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Core, isCode, type Sandbox, type Snapshot, type SnapshotId } from '../src/index.ts'
import { World } from './world.ts'

const DAY = 86_400_000
const MINUTE = 60_000

let world: World
let core: Core
let origin: Sandbox
let snapshot: Snapshot
beforeEach(async () => {
  world = new World()
  core = await world.server()
  origin = await world.sandbox(core)
  await world.startCounter(core, origin)
  snapshot = await take()
})
afterEach(() => core.close())

async function take(kind: Snapshot['kind'] = 'memory'): Promise<Snapshot> {
  return (await core.snapshots.create(world.by, origin.id, { kind })).done
}
const check = async () => (await core.snapshots.check(world.by, snapshot.id)).done
const drill = async (probe?: string[]) => (await core.snapshots.drill(world.by, snapshot.id, { probe })).done
const find = (id: SnapshotId) => core.snapshots.get(world.by, id)

function damage(id: SnapshotId): void {
  world.host.snapshots.get(id)?.memoryFiles.writeFile('/pages.img', Buffer.from('rotten'))
}
async function failures(): Promise<unknown[]> {
  const events = await core.events.list(world.by, {}, 0, 500)
  return events.filter(({ type }) => type.endsWith('_failed')).map(({ type, data }) => [type, data.failure])
}

describe('a check', () => {
  it('says when a snapshot was last found whole, and what is wrong once it is not', async () => {
    expect(snapshot).toMatchObject({ checkedAt: null, verifiedAt: null, checkFailure: null })
    const { checkedAt } = await check()
    expect(checkedAt).toBeInstanceOf(Date)
    damage(snapshot.id)
    expect(await check()).toMatchObject({ checkedAt, checkFailure: expect.stringContaining('Read back: memory') })
    expect(await failures()).toEqual([['snapshot.check_failed', expect.stringContaining('memory')]])
    expect(await world.disagreements(core)).toEqual([])
  })

  it('compares the manifest with the record', async () => {
    const stored = world.host.snapshots.get(snapshot.id)
    const { manifest } = stored ?? {}
    if (stored) stored.manifest = { ...(manifest as object), kind: 'filesystem' }
    expect((await check()).checkFailure).toContain('manifest.json')
    if (stored) stored.manifest = manifest
    expect((await check()).checkFailure).toBeNull()
  })

  it('is one at a time for a snapshot, makes way for a deletion, and is not for what is not ready', async () => {
    const reading = world.host.faults.hang('pool.checkSnapshot')
    const first = await core.snapshots.check(world.by, snapshot.id)
    await reading.reached
    for (const again of [check, drill]) await expect(again()).rejects.toMatchObject({ code: 'operation_in_progress' })
    const deleting = core.snapshots.delete(world.by, snapshot.id, { permanent: true })
    await expect
      .poll(async () => (await core.operations.list(world.by, { kinds: ['snapshot.delete'] }, { limit: 1 })).items)
      .toHaveLength(1)
    reading.release()
    await deleting
    await expect(first.done).rejects.toSatisfy((error) => isCode(error, 'cancelled') || isCode(error, 'not_found'))
    await expect(check()).rejects.toMatchObject({ code: 'not_found' })
  })

  it('that cannot be made says nothing of the snapshot', async () => {
    world.host.faults.failNext('pool.checkSnapshot')
    await expect(check()).rejects.toThrow()
    expect(await find(snapshot.id)).toMatchObject({ checkedAt: null, checkFailure: null })
  })
})

describe('a drill', () => {
  it('starts a sandbox that nobody sees, and leaves nothing of it', async () => {
    const { verifiedAt } = await drill()
    expect(verifiedAt).toBeInstanceOf(Date)
    expect((await core.sandboxes.list(world.by, {}, { limit: 10 })).items.map(({ id }) => id)).toEqual([origin.id])
    expect(await world.disagreements(core)).toEqual([])
  })

  it('says what its probe said, and takes back only what it has said itself', async () => {
    expect((await drill(['false'])).checkFailure).toBe('Drill: The probe ended with exit code 1')
    expect((await check()).checkFailure).toMatch(/^Drill: /)
    expect(await drill(['true'])).toMatchObject({ checkFailure: null, verifiedAt: expect.any(Date) })
    expect(await failures()).toEqual([['snapshot.drill_failed', 'Drill: The probe ended with exit code 1']])
    expect((await drill(['no-such-program'])).checkFailure).toMatch(/^Drill: /)
    expect(await world.disagreements(core)).toEqual([])
  })

  it('tells of what does not start, but not of a server that cannot start anything', async () => {
    world.host.faults.failNext('pool.createRoot')
    expect((await drill()).checkFailure).toMatch(/^Drill: /)
    await expect(drill([])).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(core.snapshots.drill(world.by, snapshot.id, { timeoutMs: 0 })).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    expect(await world.disagreements(core)).toEqual([])
  })
})

describe('of itself', () => {
  async function pass(ms: number): Promise<void> {
    world.clock.advance(ms)
    await world.host.faults.quiet()
  }

  it('the server checks and drills as often as it is told, also after it has died', async () => {
    await core.close()
    const options = { fakeTime: true, verify: { checkEveryMs: 7 * DAY, drillEveryMs: 30 * DAY } }
    core = await world.server(options)
    await pass(10 * MINUTE)
    const first = await find(snapshot.id)
    expect(first).toMatchObject({ checkedAt: world.clock.now(), verifiedAt: world.clock.now() })
    for (let day = 0; day < 6; day += 1) await pass(DAY)
    expect((await find(snapshot.id)).checkedAt).toEqual(first.checkedAt)
    world.host.faults.crash()
    core = await world.server(options)
    damage(snapshot.id)
    await pass(DAY)
    await pass(10 * MINUTE)
    expect(await find(snapshot.id)).toMatchObject({
      checkedAt: first.checkedAt,
      verifiedAt: first.verifiedAt,
      checkFailure: expect.stringContaining('memory'),
    })
    expect(await failures()).toHaveLength(1)
    await pass(DAY)
    expect(await failures()).toHaveLength(1)
  })

  it('it does neither where it is told never', async () => {
    await core.close()
    core = await world.server({ fakeTime: true })
    for (let day = 0; day < 60; day += 1) await pass(DAY)
    expect(await find(snapshot.id)).toMatchObject({ checkedAt: null, verifiedAt: null })
  })
})
