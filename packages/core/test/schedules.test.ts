import { beforeEach, describe, expect, it } from 'vitest'
import {
  type Core,
  type CreateScheduleRequest,
  type Sandbox,
  type ScheduleView,
  SpawnpointError,
} from '../src/index.ts'
import { World } from './world.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

let world: World
let core: Core
let sandbox: Sandbox

beforeEach(begin)

/** Ten past the hour, with a sandbox. */
async function begin(): Promise<void> {
  world = new World()
  const past = (world.clock.now().getTime() - 10 * MINUTE) % HOUR
  world.clock.advance(HOUR - past)
  core = await world.server({ fakeTime: true })
  sandbox = await world.sandbox(core)
}

function schedule(request: Partial<CreateScheduleRequest> = {}): Promise<ScheduleView> {
  return core.schedules.create(world.by, { sandbox: sandbox.id, cron: '0 * * * *', kind: 'filesystem', ...request })
}

/** Time passes, no faster than what it sets off. */
async function pass(ms: number, server = core, step = HOUR): Promise<void> {
  for (let left = ms; left > 0; left -= step) {
    world.clock.advance(Math.min(left, step))
    await server.idle()
  }
}

async function taken(server = core) {
  return (await server.snapshots.list(world.by, { sandbox: sandbox.id }, { limit: 500 })).items
}

async function events(type: string, server = core) {
  return (await server.events.list(world.by, { sandbox: sandbox.id }, 0, 1_000)).filter((event) => event.type === type)
}

describe('a schedule', () => {
  it('takes a snapshot at every tick while the sandbox runs', async () => {
    const { id, nextAt } = await schedule()
    expect(nextAt?.getUTCMinutes()).toBe(0)
    await pass(5 * HOUR)
    const snapshots = await taken()
    expect(snapshots).toHaveLength(5)
    expect(snapshots.every((one) => one.scheduleId === id && one.kind === 'filesystem' && one.state === 'ready')).toBe(
      true,
    )
    const { lastTick } = await core.schedules.get(world.by, id)
    expect(lastTick).toMatchObject({ outcome: 'fired', snapshotId: snapshots[0]?.id })
    expect(await events('schedule.fired')).toHaveLength(5)
  })

  it('skips what it cannot take, says why, and never makes up for it', async () => {
    const { id } = await schedule()
    await (await core.sandboxes.pause(world.by, sandbox.id)).done
    await pass(2 * HOUR)
    expect(await taken()).toHaveLength(0)
    expect((await core.schedules.get(world.by, id)).lastTick).toMatchObject({
      outcome: 'skipped',
      reason: 'The sandbox was paused',
    })
    expect(await events('schedule.skipped')).toHaveLength(2)
    await (await core.sandboxes.resume(world.by, sandbox.id)).done
    expect(await taken()).toHaveLength(0)
    await pass(HOUR)
    expect(await taken()).toHaveLength(1)
  })

  it('counts what was missed while no server ran, and does not double what was not', async () => {
    const { id } = await schedule()
    await pass(HOUR)
    await core.close()
    world.clock.advance(30 * MINUTE)
    let again = await world.server({ fakeTime: true })
    await pass(1, again)
    expect(await taken(again)).toHaveLength(1)
    await again.close()
    world.clock.advance(3 * HOUR)
    again = await world.server({ fakeTime: true })
    await pass(MINUTE, again, MINUTE)
    expect(await taken(again)).toHaveLength(1)
    const [skipped] = await events('schedule.skipped', again)
    expect(skipped?.data).toMatchObject({ scheduleId: id, reason: 'The server did not run at that time', missed: 3 })
    await pass(HOUR, again)
    expect(await taken(again)).toHaveLength(2)
    await again.close()
  })

  it('can be changed and switched off, which forgets the ticks in between', async () => {
    const { id } = await schedule()
    await core.schedules.update(world.by, id, { enabled: false })
    await pass(3 * HOUR)
    expect(await taken()).toHaveLength(0)
    expect((await core.schedules.get(world.by, id)).nextAt).toBeNull()
    await core.schedules.update(world.by, id, { enabled: true, cron: '*/30 * * * *', kind: 'memory' })
    await pass(HOUR, core, 30 * MINUTE)
    expect((await taken()).map((one) => one.kind)).toEqual(['memory', 'memory'])
    await core.schedules.delete(world.by, id)
    await pass(2 * HOUR)
    expect(await taken()).toHaveLength(2)
  })

  // A hundred and twenty days, with everything that happens in them.
  it('keeps over months what its rule says, and what is pinned', { timeout: 60_000 }, async () => {
    await schedule({ cron: '0 6 * * *', keep: { last: 2, daily: 5, monthly: 3 } })
    await pass(DAY, core, DAY)
    const [first] = await taken()
    await core.snapshots.update(world.by, String(first?.id), { pinned: true })
    await pass(120 * DAY, core, DAY)
    const left = await taken()
    // Five days (the two newest are among them), the last days of two more months, and the pinned one.
    expect(left.length).toBeGreaterThanOrEqual(7)
    expect(left.length).toBeLessThanOrEqual(8)
    expect(left.at(-1)).toMatchObject({ id: first?.id, pinned: true })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('ends with its sandbox', async () => {
    const { id } = await schedule()
    await core.sandboxes.kill(world.by, sandbox.id)
    await expect(core.schedules.get(world.by, id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(schedule()).rejects.toMatchObject({ code: 'not_found' })
    await pass(2 * HOUR)
    expect((await core.snapshots.list(world.by, {}, { limit: 10 })).items).toEqual([])
  })

  it('is refused where it makes no sense, and to others', async () => {
    for (const request of [{ cron: 'x' }, { timeZone: 'x' }, { keep: { last: 0 } }, { keep: { daily: 1.5 } }])
      await expect(schedule(request)).rejects.toMatchObject({ code: 'invalid_argument' })
    const { id } = await schedule()
    const stranger = { teamId: '0'.repeat(24) as typeof world.by.teamId, keyId: null }
    for (const call of [
      core.schedules.get(stranger, id),
      core.schedules.update(stranger, id, { enabled: false }),
      core.schedules.delete(stranger, id),
    ])
      await expect(call).rejects.toMatchObject({ code: 'not_found' })
    for (let n = 1; n < 10; n += 1) await schedule()
    await expect(schedule()).rejects.toMatchObject({ code: 'limit_exceeded' })
  })
})

describe('a sandbox that is made with a schedule', () => {
  const made = (server = core) =>
    server.sandboxes.create(world.by, {
      image: 'base',
      name: 'new',
      schedule: { cron: '0 * * * *', kind: 'filesystem', keep: { last: 2 } },
    })
  const schedulesOf = async (name: string, server = core) =>
    (await server.schedules.list(world.by, { sandbox: name }, { limit: 10 })).items

  it('has it from its first moment, and it fires', async () => {
    const { id } = await (await made()).done
    expect(await schedulesOf('new')).toMatchObject([{ sandboxId: id, kind: 'filesystem', keep: { last: 2 } }])
    await pass(3 * HOUR)
    expect((await core.snapshots.list(world.by, { sandbox: 'new' }, { limit: 10 })).items).toHaveLength(2)
  })

  it('is not made with one that makes no sense', async () => {
    const schedule = { cron: 'never', kind: 'filesystem' } as const
    const refused = core.sandboxes.create(world.by, { image: 'base', name: 'new', schedule })
    await expect(refused).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(core.sandboxes.get(world.by, 'new')).rejects.toMatchObject({ code: 'not_found' })
  })

  // Some sixty servers, one after the other.
  it('has it, or is not there either, whenever the server dies', { timeout: 60_000 }, async () => {
    world.host.faults.reset()
    await (await made()).done
    const calls = world.host.faults.log.map((call) => call.step)
    const outcomes = new Set<string>()
    for (const [index, step] of calls.entries()) {
      for (const when of ['before', 'during', 'after'] as const) {
        await begin()
        await core.idle()
        world.host.faults.reset()
        world.host.faults.crashCall(index, when)
        await made()
          .then(({ done }) => done)
          .catch(() => {}) // its server is dead
        await core.idle()
        if (!world.host.faults.log.some((call) => call.index === index)) continue
        world.host.faults.crash()
        const again = await world.server({ fakeTime: true })
        const there = (await again.sandboxes.list(world.by, { name: 'new' }, { limit: 2 })).items.length
        const all = (await again.schedules.list(world.by, {}, { limit: 10 })).items.length
        expect([there, all], `died ${when} call ${index} (${step})`).toEqual(there === 1 ? [1, 1] : [0, 0])
        outcomes.add(`${there}`)
        await again.close()
      }
    }
    expect([...outcomes].sort()).toEqual(['0', '1'])
  })
})

describe('a tick during which a call fails', () => {
  it('says what became of it all the same', async () => {
    await begin()
    await schedule()
    await core.idle()
    world.host.faults.reset()
    await pass(HOUR)
    const calls = world.host.faults.log.map((call) => call.step)
    for (const [index, step] of calls.entries()) {
      await begin()
      const { id } = await schedule()
      await core.idle()
      world.host.faults.reset()
      const away = new SpawnpointError('unavailable', 'away', { reason: 'away' })
      world.host.faults.failCall(index, away)
      for (const ms of [HOUR, 10_000]) {
        world.clock.advance(ms)
        await world.host.faults.quiet()
      }
      await core.idle()
      const fault = `failed call ${index} (${step})`
      expect(await world.disagreements(core), fault).toEqual([])
      const [snapshot] = await taken()
      const { lastTick } = await core.schedules.get(world.by, id)
      if (snapshot === undefined) expect(lastTick, fault).toMatchObject({ outcome: 'skipped', snapshotId: null })
      else expect(lastTick, fault).toMatchObject({ outcome: 'fired', snapshotId: snapshot.id })
      await core.close()
    }
  })
})

describe('a tick during which the server dies', () => {
  /** Port calls of one tick that is let be, and what they were. */
  async function upToTick(): Promise<{ id: string }> {
    await begin()
    const { id } = await schedule()
    await core.idle()
    world.host.faults.reset()
    return { id }
  }

  // Some sixty servers, one after the other.
  it('takes one snapshot or none, says which, and leaves nothing else', { timeout: 60_000 }, async () => {
    await upToTick()
    await pass(HOUR)
    const calls = world.host.faults.log.map((call) => call.step)
    expect(calls.length).toBeGreaterThan(5)
    const outcomes = new Set<string>()
    for (const [index, step] of calls.entries()) {
      for (const when of ['before', 'during', 'after'] as const) {
        const { id } = await upToTick()
        world.host.faults.crashCall(index, when)
        world.clock.advance(HOUR)
        await core.idle()
        if (!world.host.faults.log.some((call) => call.index === index)) continue
        world.host.faults.crash()
        const again = await world.server({ fakeTime: true })
        await pass(MINUTE, again, MINUTE)
        const fault = `died ${when} call ${index} (${step})`
        expect(await world.disagreements(again), fault).toEqual([])
        const ready = (await taken(again)).filter((one) => one.state === 'ready')
        const { lastTick } = await again.schedules.get(world.by, id)
        expect(ready.length, fault).toBeLessThanOrEqual(1)
        if (ready.length === 1) expect(lastTick, fault).toMatchObject({ outcome: 'fired', snapshotId: ready[0]?.id })
        else
          expect(lastTick === null || lastTick.outcome === 'skipped' || lastTick.snapshotId !== null, fault).toBe(true)
        outcomes.add(`${ready.length} ${lastTick?.outcome}`)
        await again.close()
      }
    }
    expect([...outcomes].sort()).toEqual(expect.arrayContaining(['0 skipped', '1 fired']))
  })
})

describe('snapshots', () => {
  it('expire as their team has set, unless they say otherwise or are pinned', async () => {
    const team = await core.keys.team(world.by)
    world.host.ledger.committed.teams.set(team.id, { ...team, snapshotRetentionMs: 10 * DAY })
    const take = async (ttlMs?: number | null) =>
      (await core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem', ttlMs })).done
    const [usual, never, pinned] = [await take(), await take(null), await take()]
    await take(DAY)
    await core.snapshots.update(world.by, pinned.id, { pinned: true })
    const left = async () => new Set((await taken()).map((one) => one.id))
    await pass(2 * DAY, core, DAY)
    await expect.poll(left).toEqual(new Set([usual.id, never.id, pinned.id]))
    await pass(9 * DAY, core, DAY)
    await expect.poll(left).toEqual(new Set([never.id, pinned.id]))
    await core.snapshots.update(world.by, pinned.id, { pinned: false })
    await pass(DAY, core, DAY)
    await expect.poll(left).toEqual(new Set([never.id]))
  })
})
