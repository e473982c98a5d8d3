import { SpawnpointError } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import type { Core, IncarnationId, Sandbox } from '../src/index.ts'
import { World } from './world.ts'

/** Holds the commit that follows `step`, does `meanwhile`, and lets it go on. */
async function beforeCommitAfter(world: World, step: string, meanwhile: () => void): Promise<void> {
  const { faults } = world.host
  const before = faults.hang(step)
  await before.reached
  const commit = faults.hang('ledger.commit')
  before.release()
  await commit.reached
  meanwhile()
  await faults.quiet()
  commit.release()
}

async function settled(world: World, core: Core, sandbox: Sandbox): Promise<Sandbox> {
  await world.host.faults.quiet()
  return core.sandboxes.get(world.by, sandbox.id)
}

const broken = () => new SpawnpointError('internal', 'the ledger is broken', {})

describe('an incarnation that ends just before its operation is recorded', () => {
  it('is found dead after a create', async () => {
    const world = new World()
    await using core = await world.server()
    const held = beforeCommitAfter(world, 'guest.identify', () => {
      const [id] = world.host.leaks().incarnations
      world.host.crashIncarnation(id as IncarnationId, 'out_of_memory')
    })
    const sandbox = await world.sandbox(core)
    await held
    expect(await settled(world, core, sandbox)).toMatchObject({
      state: 'failed',
      incarnationId: null,
      failure: { reason: 'out_of_memory' },
    })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('is found dead after a snapshot, which is good all the same', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    const held = beforeCommitAfter(world, 'guest.release', () =>
      world.host.crashIncarnation(sandbox.incarnationId as IncarnationId),
    )
    const snapshot = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })).done
    await held
    expect(snapshot.state).toBe('ready')
    expect(await settled(world, core, sandbox)).toMatchObject({ state: 'failed', incarnationId: null })
    expect(await world.disagreements(core)).toEqual([])
  })
})

describe('a network policy', () => {
  const internetOf = (world: World, sandbox: Sandbox) =>
    world.host.incarnations.get(sandbox.incarnationId as IncarnationId)?.network.internet

  it('changed while the sandbox resumes holds for what comes up', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    await (await core.sandboxes.pause(world.by, sandbox.id)).done
    const restore = world.host.faults.hang('runtime.restore')
    const resume = await core.sandboxes.resume(world.by, sandbox.id)
    await restore.reached
    const update = core.sandboxes.update(world.by, sandbox.id, { network: { internet: false } })
    await world.host.faults.quiet()
    restore.release()
    await Promise.all([resume.done, update])
    const after = await core.sandboxes.get(world.by, sandbox.id)
    expect(after.network.internet).toBe(false)
    expect(internetOf(world, after)).toBe(false)
  })

  it('changed while a fork brings the sandbox up holds for what comes up', async () => {
    const world = new World()
    await using core = await world.server()
    const origin = await world.sandbox(core)
    const restore = world.host.faults.hang('runtime.restore')
    const fork = await core.sandboxes.fork(world.by, origin.id, { count: 1, mode: 'all_or_nothing' })
    await restore.reached
    const { items } = await core.sandboxes.list(world.by, { states: ['creating'] }, { limit: 2 })
    const update = core.sandboxes.update(world.by, String(items[0]?.id), { network: { internet: false } })
    await world.host.faults.quiet()
    restore.release()
    const [children] = await Promise.all([fork.done, update])
    const after = await core.sandboxes.get(world.by, String(children[0]?.sandbox?.id))
    expect(after.network.internet).toBe(false)
    expect(internetOf(world, after)).toBe(false)
  })

  it('changed twice at once ends as its record says', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    const first = world.host.faults.hang('runtime.setNetwork')
    const open = core.sandboxes.update(world.by, sandbox.id, { network: { internet: true } })
    await first.reached
    const closed = core.sandboxes.update(world.by, sandbox.id, { network: { internet: false } })
    await world.host.faults.quiet()
    first.release()
    await Promise.all([open, closed])
    const after = await core.sandboxes.get(world.by, sandbox.id)
    expect(after.network.internet).toBe(false)
    expect(internetOf(world, after)).toBe(false)
  })

  it('that a dying server recorded and did not apply is applied by the next', async () => {
    const world = new World()
    const dying = await world.server()
    const sandbox = await world.sandbox(dying)
    world.host.faults.crashAt('runtime.setNetwork', 'before')
    await expect(dying.sandboxes.update(world.by, sandbox.id, { network: { internet: false } })).rejects.toThrow()
    await using core = await world.server()
    const after = await core.sandboxes.get(world.by, sandbox.id)
    expect(after.network.internet).toBe(false)
    expect(internetOf(world, after)).toBe(false)
  })
})

describe('an operation that could not be recorded as ended', () => {
  it('is tried again; until then requests are told so instead of waiting', async () => {
    const world = new World()
    await using core = await world.server({ fakeTime: true })
    const sandbox = await world.sandbox(core)
    world.host.faults.failNext('runtime.checkpoint')
    const undoing = world.host.faults.hang('guest.release')
    const pausing = await core.sandboxes.pause(world.by, sandbox.id)
    await undoing.reached
    world.host.faults.failNext('ledger.commit', broken())
    undoing.release()
    await expect(pausing.done).rejects.toThrow()

    await expect(core.sandboxes.kill(world.by, sandbox.id)).rejects.toMatchObject({ code: 'unavailable' })
    world.host.faults.reset()
    world.clock.advance(60_000)
    await world.host.faults.quiet()
    expect(await core.sandboxes.get(world.by, sandbox.id)).toMatchObject({ state: 'running' })
    expect(await world.disagreements(core)).toEqual([])
    await core.sandboxes.kill(world.by, sandbox.id)
  })
})

describe('an operation whose acceptance was recorded though the answer to that was lost', () => {
  it('is undone soon: what it would have made or changed is as before', async () => {
    const world = new World()
    await using core = await world.server({ fakeTime: true })
    const sandbox = await world.sandbox(core)
    const create = () => core.sandboxes.create(world.by, { image: 'base', name: 'wanted' })
    for (const ask of [create, () => core.sandboxes.pause(world.by, sandbox.id)]) {
      world.host.faults.loseNext('ledger.commit')
      await expect(ask()).rejects.toMatchObject({ code: 'unavailable' })
    }
    await expect(create()).rejects.toMatchObject({ code: 'name_taken' })
    await expect(core.sandboxes.stop(world.by, sandbox.id)).rejects.toMatchObject({ code: 'unavailable' })
    world.clock.advance(1_000)
    await world.host.faults.quiet()
    expect(await world.disagreements(core)).toEqual([])
    expect((await core.sandboxes.get(world.by, sandbox.id)).state).toBe('running')
    expect((await (await create()).done).state).toBe('running')
  })

  it('is done once under its idempotency key', async () => {
    const world = new World()
    await using core = await world.server({ fakeTime: true })
    const create = () =>
      core.idempotency.once(world.by, 'key', 'hash', async (as) => {
        const { value, done } = await core.sandboxes.create(as, { image: 'base' })
        await done
        return { status: 201, body: value.id }
      })
    const claim = world.host.faults.hang('ledger.commit')
    const first = create()
    await claim.reached
    world.host.faults.loseNext('ledger.commit') // the commit after the claim of the key
    claim.release()
    await expect(first).rejects.toMatchObject({ code: 'unavailable' })
    await expect(create()).rejects.toMatchObject({ code: 'operation_in_progress' })
    world.clock.advance(1_000)
    await world.host.faults.quiet()
    const { body } = await create()
    const { items } = await core.sandboxes.list(world.by, {}, { limit: 10 })
    expect(items.map(({ id }) => id)).toEqual([body])
    expect(await world.disagreements(core)).toEqual([])
  })
})

describe('a fork that the ledger fails for one child', () => {
  it('ends only after the others have, and leaves nothing', async () => {
    const world = new World()
    await using core = await world.server()
    const origin = await world.sandbox(core)
    const [first, second] = [world.host.faults.hang('runtime.restore'), world.host.faults.hang('runtime.restore')]
    const fork = await core.sandboxes.fork(world.by, origin.id, { count: 2, mode: 'best_effort' })
    await Promise.all([first.reached, second.reached])
    for (let n = 0; n < 2; n += 1) world.host.faults.failNext('ledger.commit', broken())
    first.release()
    await world.host.faults.quiet()
    expect(world.host.leaks().snapshots).toHaveLength(1)
    second.release()
    await expect(fork.done).rejects.toThrow()
    expect(await world.disagreements(core)).toEqual([])
  })
})

describe('a child of a fork', () => {
  async function halfWay(mode: 'all_or_nothing' | 'best_effort') {
    const world = new World()
    const core = await world.server({ fakeTime: true })
    const origin = await world.sandbox(core)
    const [first, second] = [world.host.faults.hang('guest.identify'), world.host.faults.hang('guest.identify')]
    const fork = await core.sandboxes.fork(world.by, origin.id, { count: 2, mode })
    await Promise.all([first.reached, second.reached])
    const quiet = () => world.host.faults.quiet()
    first.release()
    await quiet()
    const { items } = await core.sandboxes.list(world.by, {}, { limit: 3 })
    const children = items.filter(({ id }) => id !== origin.id)
    const [up] = children.filter(({ state }) => state === 'running')
    const [coming] = children.filter(({ state }) => state === 'creating')
    if (up === undefined || coming === undefined) throw new Error('expected one up and one coming')
    return { world, core, fork, second, up, coming, quiet }
  }

  it('that runs already is left alone until the fork has ended: it may yet be undone', async () => {
    const { world, core, fork, second, up, quiet } = await halfWay('all_or_nothing')
    await using _core = core
    const pausing = core.sandboxes.pause(world.by, up.id).catch((error) => error.code)
    await quiet()
    expect((await core.sandboxes.get(world.by, up.id)).state).toBe('running')
    world.clock.advance(60_000) // the other one never answers
    await expect(fork.done).rejects.toMatchObject({ code: 'runtime_failed' })
    expect(await pausing).toBe('not_found')
    second.release()
    await quiet()
    expect(await world.disagreements(core)).toEqual([])
  })

  it('that comes up can be used and killed once it has, without the others suffering', async () => {
    const { world, core, fork, second, up, coming, quiet } = await halfWay('best_effort')
    await using _core = core
    const use = core.sandboxes.guest(world.by, coming.id)
    const kill = core.sandboxes.kill(world.by, coming.id)
    await quiet()
    world.clock.advance(5_000)
    await quiet()
    expect((await core.sandboxes.get(world.by, coming.id)).state).toBe('creating')
    second.release()
    await use.catch(() => {}) // it may be killed before it is used
    await kill
    expect((await fork.done).every(({ error }) => error === null)).toBe(true)
    expect((await core.sandboxes.get(world.by, up.id)).state).toBe('running')
    expect((await core.sandboxes.get(world.by, coming.id)).state).toBe('killed')
    expect(await world.disagreements(core)).toEqual([])
  })

  it('that runs already can be killed meanwhile', async () => {
    const { world, core, fork, second, up, quiet } = await halfWay('all_or_nothing')
    await using _core = core
    await core.sandboxes.kill(world.by, up.id)
    second.release()
    await fork.done
    await quiet()
    expect((await core.sandboxes.get(world.by, up.id)).state).toBe('killed')
    expect(await world.disagreements(core)).toEqual([])
  })
})

describe('start-up', () => {
  it('comes up though a sandbox that stands still cannot be resumed', async () => {
    const world = new World()
    const dying = await world.server()
    const sandbox = await world.sandbox(dying)
    await world.host.incarnations.get(sandbox.incarnationId as IncarnationId)?.machine.pause()
    world.host.crashServer()
    world.host.faults.failNext('runtime.resume')
    await using core = await world.server()
    expect((await core.sandboxes.get(world.by, sandbox.id)).state).toBe('running')
  })
})

describe('a key', () => {
  it('is looked up anew after a revocation whose answer was lost', async () => {
    const world = new World()
    await using core = await world.server()
    const { key, secret } = await core.keys.create(world.by, { name: 'second' })
    await core.authenticate(secret)
    // That it was used is noted behind the caller's back.
    await world.host.faults.quiet()
    world.host.faults.failNext('ledger.commit', broken())
    await expect(core.keys.revoke(world.by, key.id)).rejects.toThrow()
    const before = world.host.faults.log.length
    await core.authenticate(secret)
    expect(world.host.faults.log.slice(before).map((call) => call.detail)).toEqual(['keyByHash'])
  })
})

describe('an incarnation that cannot be ended', () => {
  it('keeps its sandbox from being started a second time on the same root', async () => {
    const world = new World()
    await using core = await world.server({ fakeTime: true })
    const sandbox = await world.sandbox(core)
    world.host.faults.failNext('runtime.kill')
    await expect((await core.sandboxes.stop(world.by, sandbox.id)).done).rejects.toMatchObject({
      code: 'runtime_failed',
    })
    await expect(core.sandboxes.start(world.by, sandbox.id)).rejects.toMatchObject({ code: 'unavailable' })
    world.clock.advance(60_000)
    await core.idle()
    const started = await (await core.sandboxes.start(world.by, sandbox.id)).done
    expect(started.state).toBe('running')
    expect(await world.disagreements(core)).toEqual([])
  })
})
