import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Core, CreateSnapshotRequest, Sandbox, Snapshot } from '../src/index.ts'
import { settled } from './policy-world.ts'
import { CONFIG, World } from './world.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const { historyMs } = CONFIG.keep

let world: World
let core: Core
let sandbox: Sandbox
beforeEach(async () => {
  world = new World()
  core = await world.server({ fakeTime: true })
  sandbox = await world.sandbox(core)
})
afterEach(() => core.close())

const take = async (request: Partial<CreateSnapshotRequest> = {}): Promise<Snapshot> =>
  (await core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem', ...request })).done
const remove = (ref: string, options = {}) => core.snapshots.delete(world.by, ref, options)
const find = (ref: string, trashed = false) => core.snapshots.get(world.by, ref, { trashed })
const lost = { code: 'not_found', context: { resource: 'snapshot' } }
const pass = async (ms: number) => {
  world.clock.advance(ms)
  await settled(core)
}
const types = async () => (await core.events.list(world.by, {}, 0, 100)).map(({ type }) => type)

describe('the trash', () => {
  it('takes what is deleted, where nothing finds it but its id', async () => {
    const { id } = await take({ name: 'point' })
    const trashed = await remove('point')
    expect(trashed).toMatchObject({ id, state: 'trashed', trashedAt: world.clock.now() })
    expect(trashed?.purgeAt).toEqual(new Date(world.clock.now().getTime() + DAY))
    for (const ref of ['point', id, `point@${id}`]) {
      await expect(find(ref)).rejects.toMatchObject(lost)
      await expect(core.resolve(world.by, ref)).rejects.toMatchObject({ code: 'not_found' })
      await expect(core.sandboxes.create(world.by, { snapshot: ref })).rejects.toMatchObject(lost)
      await expect(core.snapshots.update(world.by, ref, { labels: {} })).rejects.toMatchObject(lost)
      await expect(remove(ref)).rejects.toMatchObject(lost)
    }
    await expect(find('point', true)).rejects.toMatchObject(lost)
    await expect(find(`other@${id}`, true)).rejects.toMatchObject(lost)
    expect(await find(id, true)).toEqual(trashed)
    expect(await find(`point@${id}`, true)).toEqual(trashed)
    const { items } = await core.snapshots.list(world.by, {}, { limit: 10 })
    expect(items).toEqual([])
    const inTrash = await core.snapshots.list(world.by, { states: ['trashed'] }, { limit: 10 })
    expect(inTrash.items).toEqual([trashed])
    expect(await types()).toContain('snapshot.trashed')
    expect(await world.disagreements(core)).toEqual([])
  })

  it('gives back what it took, and it starts sandboxes again', async () => {
    await world.startCounter(core, sandbox)
    const snapshot = await take({ kind: 'memory' })
    await remove(snapshot.id)
    expect(await core.snapshots.undelete(world.by, snapshot.id)).toEqual(snapshot)
    expect(await find(snapshot.id)).toEqual(snapshot)
    const spawned = await (await core.sandboxes.create(world.by, { snapshot: snapshot.id })).done
    expect(await world.ask(core, spawned)).toBe('first')
    expect(await core.snapshots.undelete(world.by, snapshot.id)).toEqual(snapshot)
    await pass(2 * DAY)
    expect({ ...(await find(snapshot.id)), storage: null }).toEqual(snapshot)
    expect(await types()).toEqual(expect.arrayContaining(['snapshot.trashed', 'snapshot.undeleted']))
  })

  it('is left by name: the latest that went there', async () => {
    const [first, second] = [await take({ name: 'point' }), await take({ name: 'point' })]
    await remove(second.id)
    await pass(1)
    await remove(first.id)
    expect((await core.snapshots.undelete(world.by, 'point')).id).toBe(first.id)
    expect((await core.snapshots.undelete(world.by, 'point')).id).toBe(second.id)
    await expect(core.snapshots.undelete(world.by, 'never')).rejects.toMatchObject(lost)
  })

  it('is emptied when the time of each has come, also of a server that was away', async () => {
    const [early, late] = [await take(), await take()]
    await remove(early.id)
    await pass(HOUR)
    await remove(late.id)
    await pass(DAY - HOUR)
    await expect(find(early.id, true)).rejects.toMatchObject(lost)
    expect((await find(late.id, true)).state).toBe('trashed')
    world.host.faults.crash()
    world.clock.advance(DAY)
    core = await world.server({ fakeTime: true })
    await pass(1)
    await expect(core.snapshots.undelete(world.by, late.id)).rejects.toMatchObject(lost)
    expect(await world.disagreements(core)).toEqual([])
  })

  it('does not keep anything longer than it would have been kept', async () => {
    const [short, pinned] = [await take({ ttlMs: HOUR }), await take({ ttlMs: HOUR })]
    await core.snapshots.update(world.by, pinned.id, { pinned: true })
    expect((await remove(short.id))?.purgeAt).toEqual(short.expiresAt)
    await remove(pinned.id)
    await pass(2 * HOUR)
    await expect(find(short.id, true)).rejects.toMatchObject(lost)
    expect((await find(pinned.id, true)).state).toBe('trashed')
  })

  it('is passed by: what is to go for good, what expires, what a team without one deletes', async () => {
    const [now, later, trashed] = [await take(), await take({ ttlMs: HOUR }), await take()]
    expect(await remove(now.id, { permanent: true })).toBeNull()
    await pass(HOUR)
    await remove(trashed.id)
    expect(await remove(trashed.id, { permanent: true })).toBeNull()
    await core.keys.updateTeam(world.by, { trashMs: 0 })
    const last = await take()
    expect(await remove(last.id)).toBeNull()
    for (const { id } of [now, later, trashed, last]) await expect(find(id, true)).rejects.toMatchObject(lost)
    expect(world.host.leaks().snapshots).toEqual([])
  })

  it('of one team is not seen by another', async () => {
    const { id } = await take()
    await remove(id)
    const other = await core.authenticate((await core.createTeam('other')).key)
    await expect(core.snapshots.get(other, id, { trashed: true })).rejects.toMatchObject(lost)
    await expect(core.snapshots.undelete(other, id)).rejects.toMatchObject(lost)
    await expect(core.snapshots.delete(other, id, { permanent: true })).rejects.toMatchObject(lost)
  })

  it('is not counted among the snapshots that a team may keep, but what comes back is', async () => {
    const first = await take()
    await remove(first.id)
    const team = await core.keys.team(world.by)
    const limits = { ...team.limits, snapshots: 1 }
    world.host.ledger.committed.teams.set(team.id, { ...team, limits })
    const second = await take()
    await expect(core.snapshots.undelete(world.by, first.id)).rejects.toMatchObject({ code: 'quota_exceeded' })
    expect((await find(first.id, true)).state).toBe('trashed')
    await remove(second.id, { permanent: true })
    expect((await core.snapshots.undelete(world.by, first.id)).state).toBe('ready')
  })

  it('that lost the data of one has nothing to bring back', async () => {
    const { id } = await take()
    await remove(id)
    world.host.faults.crash()
    world.host.snapshots.delete(id)
    core = await world.server({ fakeTime: true })
    await expect(core.snapshots.undelete(world.by, id)).rejects.toMatchObject(lost)
    expect(await world.disagreements(core)).toEqual([])
  })
})

describe('tags', () => {
  const pointedTo = async (ref: string) => (await find(ref).catch(() => null))?.id ?? null

  it('go with what goes into the trash and come back with it, where nothing else has got them', async () => {
    const [old, next] = [await take({ name: 'app', tag: 'stable' }), await take()]
    await core.names.tag(world.by, 'app', ['v1', 'v2'], { snapshotId: old.id })
    await remove(old.id)
    expect(await core.names.tags(world.by, 'app')).toEqual([])
    await core.names.tag(world.by, 'app', ['stable'], { snapshotId: next.id })
    await core.snapshots.undelete(world.by, old.id)
    expect(await Promise.all(['app:stable', 'app:v1', 'app:v2'].map(pointedTo))).toEqual([next.id, old.id, old.id])
  })

  it('come back with a name that was deleted', async () => {
    const { id } = await take({ name: 'app', tag: 'stable' })
    await remove(id)
    await core.names.delete(world.by, 'app')
    await core.snapshots.undelete(world.by, 'app')
    expect(await pointedTo('app:stable')).toBe(id)
  })
})

describe('a dry run', () => {
  it('says what would go, who would miss it, and changes nothing', async () => {
    const snapshot = await take({ kind: 'memory', name: 'app', tag: 'stable' })
    const child = await (await core.sandboxes.create(world.by, { snapshot: snapshot.id, name: 'child' })).done
    const grandchild = await (await core.snapshots.create(world.by, child.id, { kind: 'memory', name: 'more' })).done
    await (await core.sandboxes.rollback(world.by, child.id, { snapshot: grandchild.id })).done
    await core.idle()
    const before = structuredClone(world.host.ledger.committed)
    const plan = await core.snapshots.deletePlan(world.by, 'app')
    expect(plan).toEqual({
      snapshot,
      purgeAt: new Date(world.clock.now().getTime() + DAY),
      wouldFreeBytes: snapshot.receipt?.newlyStoredBytes,
      dependents: {
        sandboxes: [{ id: child.id, name: 'child', state: 'running' }],
        snapshots: [{ id: grandchild.id, name: 'more' }],
        images: [],
        tags: [{ name: 'app', tag: 'stable' }],
      },
      waitsFor: [],
      blocked: null,
    })
    expect((await core.snapshots.deletePlan(world.by, 'app', { permanent: true })).purgeAt).toBeNull()
    expect(world.host.ledger.committed).toEqual(before)
    await remove('app')
    expect(await core.snapshots.deletePlan(world.by, snapshot.id, { permanent: true })).toMatchObject({ blocked: null })
    await expect(core.snapshots.deletePlan(world.by, snapshot.id)).rejects.toMatchObject(lost)
  })

  it('says why it would be refused, and what it would wait for', async () => {
    const snapshot = await take({ kind: 'memory' })
    const held = world.host.faults.hang('runtime.restore')
    const creating = await core.sandboxes.create(world.by, { snapshot: snapshot.id })
    await held.reached
    expect(await core.snapshots.deletePlan(world.by, snapshot.id, { ifUnused: true })).toMatchObject({
      waitsFor: [{ id: creating.operationId, kind: 'sandbox.create' }],
      blocked: expect.stringContaining('are alive'),
    })
    const order: string[] = []
    void creating.done.then(() => order.push('restored'))
    const trashed = remove(snapshot.id).finally(() => order.push('trashed'))
    await world.host.faults.quiet()
    const gone = remove(snapshot.id, { permanent: true }).finally(() => order.push('gone'))
    await world.host.faults.quiet()
    expect(order).toEqual([])
    held.release()
    expect((await trashed)?.state).toBe('trashed')
    expect(await gone).toBeNull()
    expect(order).toEqual(['restored', 'trashed', 'gone'])
  })
})

describe('what failed', () => {
  const names = async () => (await core.names.list(world.by, { limit: 10 })).items.map(({ name }) => name)

  it('is forgotten in the end, with a name that nothing else bears', async () => {
    for (const name of ['lonely', 'shared', 'image']) await core.names.ensure(world.by, name)
    await take({ name: 'shared' })
    const failures: Snapshot[] = []
    for (const name of ['lonely', 'shared']) {
      world.host.faults.failNext('pool.captureRoot')
      const begun = await core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem', name })
      await expect(begun.done).rejects.toThrow()
      failures.push(await find(begun.value.id))
    }
    world.host.faults.failNext('pool.createImage')
    const source = { type: 'debian', suite: 'bookworm', packages: [] } as const
    const image = await core.images.build(world.by, { name: 'image', source: { ...source, packages: [] } })
    await expect(image.done).rejects.toThrow()
    for (const { state, purgeAt } of failures)
      expect([state, purgeAt]).toEqual(['failed', new Date(world.clock.now().getTime() + historyMs)])

    await pass(historyMs - HOUR)
    expect((await core.images.get(world.by, image.value.id)).state).toBe('failed')
    expect(await names()).toEqual(['image', 'shared', 'lonely'])
    await pass(HOUR)
    await pass(HOUR)
    await expect(core.images.get(world.by, image.value.id)).rejects.toMatchObject({ code: 'not_found' })
    for (const { id } of failures) await expect(find(id)).rejects.toMatchObject(lost)
    expect(await names()).toEqual(['shared'])
  })

  it('goes for good when it is deleted', async () => {
    world.host.faults.failNext('pool.captureRoot')
    const { value, done } = await core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem', name: 'bad' })
    await expect(done).rejects.toThrow()
    expect(await core.snapshots.deletePlan(world.by, value.id)).toMatchObject({ purgeAt: null, blocked: null })
    expect(await remove(value.id)).toBeNull()
    await expect(find(value.id, true)).rejects.toMatchObject(lost)
  })
})
