import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Core, isCode, type Sandbox } from '../src/index.ts'
import { CONFIG, World } from './world.ts'

const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 24 * HOUR
const { historyMs } = CONFIG.keep

let world: World
let core: Core
let living: Sandbox
beforeEach(async () => {
  world = new World()
  core = await world.server({ fakeTime: true })
  living = await world.sandbox(core)
})
afterEach(() => core.close())

const tables = () => world.host.ledger.committed

/** Time passes by the hour, and what is set off by it comes to rest. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= HOUR) {
    world.clock.advance(Math.min(left, HOUR))
    await world.host.faults.quiet()
  }
}

async function killedOne(): Promise<Sandbox> {
  const sandbox = await world.sandbox(core)
  await core.sandboxes.kill(world.by, sandbox.id)
  await core.idle()
  return sandbox
}

describe('history', () => {
  it('goes when it is as old as is kept, and not before', async () => {
    const killed = await killedOne()
    await core.idempotency.once(world.by, 'key', 'hash', async () => ({ status: 200, body: null }))
    const kills = () => [...tables().operations.values()].filter(({ kind }) => kind === 'sandbox.kill')
    await pass(DAY)
    expect(tables().idempotency.size).toBe(1)
    await pass(2 * HOUR)
    expect(tables().idempotency.size).toBe(0)
    await pass(historyMs - DAY - 3 * HOUR)
    expect(await core.sandboxes.get(world.by, killed.id)).toMatchObject({ state: 'killed' })
    expect(kills()).toHaveLength(1)
    await pass(3 * HOUR)
    await expect(core.sandboxes.get(world.by, killed.id)).rejects.toSatisfy((error) => isCode(error, 'not_found'))
    expect(kills()).toEqual([])
    expect(tables().events).toEqual([])
    expect(await core.sandboxes.get(world.by, living.id)).toMatchObject({ state: 'running' })
  })

  it('of names that nothing bears any more, and of revoked keys, goes too', async () => {
    const name = await core.names.ensure(world.by, 'nightly')
    const { key } = await core.keys.create(world.by, { name: 'laptop' })
    await core.keys.revoke(world.by, key.id)
    await pass(historyMs - HOUR)
    expect(tables().names.has(name.id)).toBe(true)
    await pass(2 * HOUR)
    expect(tables().names.has(name.id)).toBe(false)
    expect(tables().keys.has(key.id)).toBe(true)
    await pass(90 * DAY)
    expect(tables().keys.has(key.id)).toBe(false)
  })

  it('goes soon after a start of the server too', async () => {
    const killed = await killedOne()
    world.host.faults.crash()
    world.clock.advance(historyMs)
    core = await world.server({ fakeTime: true })
    await world.host.faults.quiet()
    expect(tables().sandboxes.has(killed.id)).toBe(true)
    await pass(MINUTE)
    expect(tables().sandboxes.has(killed.id)).toBe(false)
  })

  it('keeps what a sandbox that was long left alone still needs', async () => {
    await pass(2 * historyMs)
    const started = await core.sandboxes.resume(world.by, living.id)
    expect((await started.done).state).toBe('running')
    expect([...tables().operations.values()].map(({ kind }) => kind)).toContain('sandbox.create')
    expect((await core.snapshots.create(world.by, living.id, { kind: 'memory' })).value.state).toBe('creating')
  })

  it('goes a little at a time, the rest a minute later', async () => {
    const event = tables().events[0]
    if (event === undefined) throw new Error('a new sandbox has events')
    await pass(historyMs)
    const before = tables().events.length
    for (let n = 0; n < 25_000; n += 1) tables().events.push({ ...event })
    await pass(HOUR)
    expect(tables().events.length).toBe(before + 5_000)
    await pass(MINUTE)
    expect(tables().events).toEqual([])
  })

  it('is tried again when the ledger was away', async () => {
    await killedOne()
    // What runs is noted as well, and that commit is not the one that is to fail.
    await core.sandboxes.kill(world.by, living.id)
    await pass(historyMs)
    world.host.faults.failNext('ledger.commit')
    await pass(HOUR)
    expect(tables().events.length).toBeGreaterThan(0)
    await pass(HOUR)
    expect(tables().events).toEqual([])
  })

  it('does not outlive the server', async () => {
    const hang = world.host.faults.hang('ledger.commit')
    world.clock.advance(MINUTE)
    await hang.reached
    let closed = false
    const closing = core.close().then(() => {
      closed = true
    })
    await world.host.faults.quiet()
    expect(closed).toBe(false)
    hang.release()
    await closing
    expect(world.clock.waiting).toBe(0)
  })
})

describe('a cursor of events', () => {
  const types = async (after: number) => (await core.events.list(world.by, {}, after, 100)).map(({ type }) => type)
  const follow = async (after: number) => {
    for await (const event of core.events.follow(world.by, {}, after, AbortSignal.timeout(1_000))) return event.type
    return null
  }

  it('that missed something is refused; 0 means the oldest that is kept', async () => {
    const known = tables().events[0]?.seq ?? 0
    await pass(historyMs)
    await killedOne()
    await pass(2 * HOUR)
    expect(await types(0)).toEqual(['sandbox.creating', 'sandbox.running', 'sandbox.killing', 'sandbox.killed'])
    const keptAfter = await tables().purgedEvents.get(world.by.teamId)
    for (const ask of [types, follow]) {
      await expect(ask(known)).rejects.toMatchObject({ code: 'cursor_expired', context: { cursor: known, keptAfter } })
    }
    expect(await follow(0)).toBe('sandbox.creating')
  })

  it('that missed nothing goes on, however old it is', async () => {
    const known = await core.events.latest(world.by)
    await pass(historyMs + 2 * HOUR)
    expect(tables().events).toEqual([])
    expect(await core.events.latest(world.by)).toBe(known)
    expect(await types(known)).toEqual([])
    await killedOne()
    expect(await types(known)).toHaveLength(4)
    expect(await follow(known)).toBe('sandbox.creating')
  })
})
