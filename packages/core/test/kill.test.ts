import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Core, Sandbox } from '../src/index.ts'
import { World } from './world.ts'

/** As a kill leaves the guest of an operation that is under way */
const GRACE_MS = 2_000

let world: World
let core: Core
let sandbox: Sandbox
beforeEach(async () => {
  world = new World()
  core = await world.server({ fakeTime: true })
  sandbox = await world.sandbox(core)
})
afterEach(() => core.close())

const quiet = () => world.host.faults.quiet()
const stateOf = async ({ id }: { id: string }) => (await core.sandboxes.get(world.by, id)).state

/** How a promise stands, without waiting for it. */
function watched<T>(promise: Promise<T>) {
  const seen = { outcome: 'pending' as string, promise }
  promise.then(
    () => {
      seen.outcome = 'done'
    },
    (error) => {
      seen.outcome = error.code
    },
  )
  return seen
}

const paused = async () => void (await (await core.sandboxes.pause(world.by, sandbox.id)).done)

describe('a kill does not wait for a guest that', () => {
  const cases: {
    hangs: string
    during: string
    prepare?: () => Promise<void>
    begin: () => Promise<{ done: Promise<unknown> }>
    /** What becomes of the operation */
    outcome: string
  }[] = [
    {
      hangs: 'guest.hold',
      during: 'a snapshot',
      begin: () => core.snapshots.create(world.by, sandbox.id, { kind: 'memory' }),
      outcome: 'cancelled',
    },
    {
      hangs: 'guest.release',
      during: 'a snapshot',
      begin: () => core.snapshots.create(world.by, sandbox.id, { kind: 'memory' }),
      outcome: 'cancelled',
    },
    {
      hangs: 'guest.hold',
      during: 'a fork',
      begin: () => core.sandboxes.fork(world.by, sandbox.id, { count: 2, mode: 'best_effort' }),
      outcome: 'cancelled',
    },
    {
      hangs: 'guest.hold',
      during: 'a pause',
      begin: () => core.sandboxes.pause(world.by, sandbox.id),
      outcome: 'cancelled',
    },
    {
      hangs: 'guest.shutdown',
      during: 'a stop',
      begin: () => core.sandboxes.stop(world.by, sandbox.id),
      outcome: 'done',
    },
    {
      hangs: 'guest.identify',
      during: 'a resume',
      prepare: paused,
      begin: () => core.sandboxes.resume(world.by, sandbox.id),
      outcome: 'cancelled',
    },
    {
      hangs: 'runtime.restore',
      during: 'a resume',
      prepare: paused,
      begin: () => core.sandboxes.resume(world.by, sandbox.id),
      outcome: 'stale_incarnation',
    },
  ]
  it.each(cases)('does not answer in $during ($hangs)', async ({ hangs, prepare, begin, outcome }) => {
    await prepare?.()
    const hang = world.host.faults.hang(hangs)
    const operation = watched((await begin()).done)
    await hang.reached
    const kill = watched(core.sandboxes.kill(world.by, sandbox.id))
    await quiet()
    world.clock.advance(GRACE_MS - 1)
    await quiet()
    expect([operation.outcome, kill.outcome]).toEqual(['pending', 'pending'])
    world.clock.advance(1)
    await kill.promise
    expect(operation.outcome).toBe(outcome)
    expect(await stateOf(sandbox)).toBe('killed')
    // Whatever the guest still says, nobody listens.
    hang.release()
    await quiet()
    expect(await world.disagreements(core)).toEqual([])
  })

  it('does not come up; a creation that is undone so is a kill that succeeded', async () => {
    for (const [hangs, outcome] of [
      ['guest.identify', 'cancelled'],
      ['runtime.start', 'stale_incarnation'],
    ] as const) {
      const hang = world.host.faults.hang(hangs)
      const created = await core.sandboxes.create(world.by, { image: 'base' })
      const operation = watched(created.done)
      await hang.reached
      const kill = watched(core.sandboxes.kill(world.by, created.value.id))
      await quiet()
      expect(kill.outcome).toBe('pending')
      world.clock.advance(GRACE_MS)
      await kill.promise
      expect(operation.outcome).toBe(outcome)
      expect(await stateOf(created.value)).toBe('killed')
      hang.release()
      await quiet()
      expect(await world.disagreements(core)).toEqual([])
    }
  })
})

describe('a kill', () => {
  it('lets a guest that answers in time end what it does', async () => {
    const hang = world.host.faults.hang('guest.hold')
    const snapshot = await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })
    await hang.reached
    const kill = core.sandboxes.kill(world.by, sandbox.id)
    await quiet()
    world.clock.advance(GRACE_MS - 1)
    hang.release()
    await kill
    expect((await snapshot.done).state).toBe('ready')
    expect(await world.disagreements(core)).toEqual([])
  })

  it('does not wait for a snapshot to be stored, which is stored all the same', async () => {
    const hang = world.host.faults.hang('pool.publishSnapshot')
    const snapshot = await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })
    await hang.reached
    await core.sandboxes.kill(world.by, sandbox.id)
    expect(await stateOf(sandbox)).toBe('killed')
    hang.release()
    expect((await snapshot.done).state).toBe('ready')
    const spawned = await (await core.sandboxes.create(world.by, { snapshot: snapshot.value.id })).done
    expect(spawned.state).toBe('running')
    expect(await world.disagreements(core)).toEqual([])
  })

  it('that came before the snapshot let go of the sandbox goes on as soon as it does', async () => {
    const [holding, storing] = [world.host.faults.hang('guest.hold'), world.host.faults.hang('pool.publishSnapshot')]
    const snapshot = await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })
    await holding.reached
    const kill = core.sandboxes.kill(world.by, sandbox.id)
    await quiet()
    holding.release()
    await storing.reached
    await kill
    storing.release()
    expect((await snapshot.done).state).toBe('ready')
    expect(await world.disagreements(core)).toEqual([])
  })

  it('leaves a fork whose children come up, and a server that dies then undoes it', async () => {
    for (const dies of [false, true]) {
      const origin = await world.sandbox(core)
      const hang = world.host.faults.hang('guest.identify')
      const fork = await core.sandboxes.fork(world.by, origin.id, { count: 2, mode: 'all_or_nothing' })
      fork.done.catch(() => {}) // its server may die
      await hang.reached
      await core.sandboxes.kill(world.by, origin.id)
      expect(await stateOf(origin)).toBe('killed')
      if (dies) {
        world.host.crashServer()
        core = await world.server({ fakeTime: true })
      } else {
        hang.release()
        expect((await fork.done).map(({ sandbox }) => sandbox?.state)).toEqual(['running', 'running'])
      }
      expect(await world.disagreements(core)).toEqual([])
    }
  })
})

it('a server that starts waits for no guest for long', async () => {
  const hang = world.host.faults.hang('guest.shutdown')
  const stopping = await core.sandboxes.stop(world.by, sandbox.id)
  stopping.done.catch(() => {}) // its server dies
  await hang.reached
  world.host.crashServer()
  const again = world.host.faults.hang('guest.shutdown')
  const opening = world.server({ fakeTime: true })
  await again.reached
  world.clock.advance(15_000)
  core = await opening
  expect(await stateOf(sandbox)).toBe('stopped')
  again.release()
  expect(await world.disagreements(core)).toEqual([])
})
