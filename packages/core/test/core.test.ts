import type { FakeHost } from '@spawnpoint/fakes'
import { describe, expect, it } from 'vitest'
import type { IncarnationId, Runtime, Sandbox } from '../src/index.ts'
import { World } from './world.ts'

describe('the main job', () => {
  it('starts many from a snapshot; each goes on from the captured point, by itself', async () => {
    const world = new World()
    await using core = await world.server()
    const origin = await world.sandbox(core)
    await world.startCounter(core, origin)
    const snapshot = await (await core.snapshots.create(world.by, origin.id, { kind: 'memory', name: 'point' })).done
    await world.tell(core, origin, 'origin went on')

    const spawned = await Promise.all(
      [1, 2, 3].map(async () => (await core.sandboxes.create(world.by, { snapshot: 'point' })).done),
    )
    await world.tell(core, spawned[0] as Sandbox, 'clone 0')

    expect(await world.ask(core, origin)).toBe('origin went on')
    expect(await Promise.all(spawned.map((clone) => world.ask(core, clone)))).toEqual(['clone 0', 'first', 'first'])
    expect(snapshot.receipt?.steps.map((step) => step.step)).toEqual([
      'stage',
      'hold',
      'flush',
      'flush again',
      'pause',
      'capture',
      'checkpoint',
      'resume',
      'publish',
    ])
    expect(await world.disagreements(core)).toEqual([])
  })

  it('rolls back in place: same id, memory and files of the snapshot', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    await world.startCounter(core, sandbox)
    const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
    const snapshot = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })).done
    await guest.files.write('/home/user/notes', [Buffer.from('after')] as never)
    await world.tell(core, sandbox, 'after')

    const back = await (await core.sandboxes.rollback(world.by, sandbox.id, { snapshot: snapshot.id })).done
    expect(back).toMatchObject({ id: sandbox.id, state: 'running' })
    expect(back.incarnationId).not.toBe(sandbox.incarnationId)
    expect(await world.ask(core, sandbox)).toBe('first')
    const now = await core.sandboxes.guest(world.by, sandbox.id)
    await expect(now.guest.files.stat('/home/user/notes')).rejects.toMatchObject({ code: 'guest_error' })
    await expect(guest.processes.list()).rejects.toMatchObject({ code: 'stale_incarnation' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('pauses with nothing running, and resumes where it was', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    await world.startCounter(core, sandbox)
    await (await core.sandboxes.pause(world.by, sandbox.id)).done
    expect(world.host.leaks()).toMatchObject({ incarnations: [], roots: [] })
    await expect(core.sandboxes.guest(world.by, sandbox.id)).rejects.toMatchObject({ code: 'wrong_state' })
    await (await core.sandboxes.resume(world.by, sandbox.id)).done
    expect(await world.ask(core, sandbox)).toBe('first')
    expect((await core.snapshots.list(world.by, {}, { limit: 10 })).items).toEqual([])
    expect(await world.disagreements(core)).toEqual([])
  })

  it('resumes from the files alone where the memory is not wanted', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    await world.startCounter(core, sandbox)
    const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
    await guest.files.write('/home/user/kept', [Buffer.from('kept')] as never)
    await (await core.sandboxes.pause(world.by, sandbox.id)).done
    const { done } = await core.sandboxes.resume(world.by, sandbox.id, { cold: true, timeoutMs: 60_000 })
    expect(await done).toMatchObject({ state: 'running', pausedSnapshotId: null, timeout: { timeoutMs: 60_000 } })
    const again = (await core.sandboxes.guest(world.by, sandbox.id)).guest
    expect((await again.files.stat('/home/user/kept')).sizeBytes).toBe(4)
    await expect(again.processes.get('counter')).rejects.toMatchObject({ code: 'process_not_found' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('stops with files kept, starts with processes gone', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    await world.startCounter(core, sandbox)
    const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
    await guest.files.write('/home/user/kept', [Buffer.from('kept')] as never)
    await (await core.sandboxes.stop(world.by, sandbox.id)).done
    await (await core.sandboxes.start(world.by, sandbox.id)).done
    const again = (await core.sandboxes.guest(world.by, sandbox.id)).guest
    expect((await again.files.stat('/home/user/kept')).sizeBytes).toBe(4)
    await expect(again.processes.get('counter')).rejects.toMatchObject({ code: 'process_not_found' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('forks: each child from the same point, with its own overrides', async () => {
    const world = new World()
    await using core = await world.server()
    const origin = await world.sandbox(core)
    await world.startCounter(core, origin)
    const { done } = await core.sandboxes.fork(world.by, origin.id, {
      count: 3,
      mode: 'all_or_nothing',
      overrides: { labels: { role: 'child' }, env: { OF: 'all' }, network: { internet: false } },
      children: [
        { name: 'first-child', env: { N: '1' }, network: { allow: ['10.0.0.0/8'] } },
        { labels: { n: '2' }, resources: { cpus: 1 } },
      ],
    })
    const children = await done
    expect(children.map(({ sandbox }) => sandbox)).toMatchObject([
      { env: { OF: 'all', N: '1' }, network: { internet: false, allow: ['10.0.0.0/8'] }, labels: { role: 'child' } },
      { env: { OF: 'all' }, network: { internet: false }, labels: { role: 'child', n: '2' }, resources: { cpus: 1 } },
      { env: { OF: 'all' }, network: { internet: false } },
    ])
    expect(children.map((child) => child.sandbox?.name)).toEqual(['first-child', null, null])
    for (const { sandbox } of children) {
      expect(sandbox).toMatchObject({ state: 'running', parentSandboxId: origin.id, labels: { role: 'child' } })
      expect(await world.ask(core, sandbox as Sandbox)).toBe('first')
      const events = await core.events.list(world.by, { sandbox: sandbox?.id }, 0, 10)
      expect(events.map(({ type }) => type)).toEqual(['sandbox.creating', 'sandbox.running'])
    }
    expect(await world.disagreements(core)).toEqual([])
  })

  it('keeps none of the children of an all-or-nothing fork when one fails, the others of a best-effort one', async () => {
    for (const [mode, kept] of [
      ['all_or_nothing', 0],
      ['best_effort', 2],
    ] as const) {
      const world = new World()
      await using core = await world.server()
      const origin = await world.sandbox(core)
      world.host.faults.failNext('runtime.restore')
      const { done } = await core.sandboxes.fork(world.by, origin.id, { count: 3, mode })
      if (mode === 'all_or_nothing') await expect(done).rejects.toMatchObject({ code: 'runtime_failed' })
      else expect((await done).filter((child) => child.error !== null)).toHaveLength(1)
      expect((await core.sandboxes.list(world.by, {}, { limit: 10 })).items).toHaveLength(1 + kept)
      expect(await world.disagreements(core)).toEqual([])
    }
  })
})

describe('two requests at once', () => {
  it('takes one snapshot at a time: the second waits, or is refused if it says so', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    const held = world.host.faults.hang('runtime.checkpoint')
    const first = await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })
    await held.reached
    await expect(
      core.snapshots.create(world.by, sandbox.id, { kind: 'memory', whenBusy: 'reject' }),
    ).rejects.toMatchObject({
      code: 'operation_in_progress',
    })
    const second = core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem' })
    held.release()
    expect((await first.done).state).toBe('ready')
    expect((await (await second).done).state).toBe('ready')
  })

  it('joins a pause that is under way and ignores one that is done', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    const [one, two] = await Promise.all([
      core.sandboxes.pause(world.by, sandbox.id),
      core.sandboxes.pause(world.by, sandbox.id),
    ])
    expect(two.operationId).toBe(one.operationId)
    expect((await two.done).state).toBe('paused')
    const third = await core.sandboxes.pause(world.by, sandbox.id)
    expect(third).toMatchObject({ operationId: null, value: { state: 'paused' } })
    expect((await third.done).state).toBe('paused')
  })

  it('has nothing to do for a child of a fork that runs already', async () => {
    const world = new World()
    await using core = await world.server()
    const origin = await world.sandbox(core)
    const forked = await core.sandboxes.fork(world.by, origin.id, { count: 1, mode: 'all_or_nothing' })
    const [child] = await forked.done
    const resumed = await core.sandboxes.resume(world.by, String(child?.sandbox?.id))
    expect((await resumed.done).state).toBe('running')
  })

  it('kills once, whoever asks', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => core.sandboxes.kill(world.by, sandbox.id)))
    expect(outcomes.some((outcome) => outcome.status === 'fulfilled')).toBe(true)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'not_found' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('gives a name to one living sandbox only, and again once it is gone', async () => {
    const world = new World()
    await using core = await world.server()
    const make = async () => (await core.sandboxes.create(world.by, { image: 'base', name: 'mine' })).done
    const outcomes = await Promise.allSettled([make(), make()])
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected'])
    await core.sandboxes.kill(world.by, 'mine')
    expect((await make()).name).toBe('mine')
  })
})

describe('time', () => {
  it('kills or pauses at expiry, not before, and not when extended', async () => {
    const world = new World()
    await using core = await world.server({ fakeTime: true })
    const make = async (onTimeout: 'kill' | 'pause') =>
      (await core.sandboxes.create(world.by, { image: 'base', timeout: { timeoutMs: 60_000, onTimeout } })).done
    const [killed, paused, extended] = [await make('kill'), await make('pause'), await make('kill')]
    world.clock.advance(59_999)
    await core.idle()
    expect((await core.sandboxes.get(world.by, killed.id)).state).toBe('running')
    await core.sandboxes.update(world.by, extended.id, { timeout: { timeoutMs: 60_000 } })
    world.clock.advance(1)
    await settled(core)
    expect((await core.sandboxes.get(world.by, killed.id)).state).toBe('killed')
    expect((await core.sandboxes.get(world.by, paused.id)).state).toBe('paused')
    expect((await core.sandboxes.get(world.by, extended.id)).state).toBe('running')
  })

  it('counts idle time from the last use, and not while a stream is open', async () => {
    const world = new World()
    await using core = await world.server({ fakeTime: true })
    const sandbox = await (
      await core.sandboxes.create(world.by, { image: 'base', timeout: { idleTimeoutMs: 1_000, onTimeout: 'pause' } })
    ).done
    const state = async () => (await core.sandboxes.get(world.by, sandbox.id)).state
    world.clock.advance(900)
    await core.sandboxes.guest(world.by, sandbox.id)
    world.clock.advance(900)
    await settled(core)
    expect(await state()).toBe('running')
    const stream = await core.sandboxes.keepActive(world.by, sandbox.id)
    world.clock.advance(5_000)
    await settled(core)
    expect(await state()).toBe('running')
    stream[Symbol.dispose]()
    world.clock.advance(1_000)
    await settled(core)
    world.clock.advance(1)
    await settled(core)
    expect(await state()).toBe('paused')
  })

  it('counts streams that were open before the idle timeout was set, and through a pause that fails', async () => {
    const world = new World()
    await using core = await world.server({ fakeTime: true })
    const sandbox = await world.sandbox(core)
    using _ = await core.sandboxes.keepActive(world.by, sandbox.id)
    await core.sandboxes.update(world.by, sandbox.id, { timeout: { idleTimeoutMs: 1_000, onTimeout: 'kill' } })
    for (let n = 0; n < 2; n += 1) {
      world.clock.advance(5_000)
      await settled(core)
      expect((await core.sandboxes.get(world.by, sandbox.id)).state).toBe('running')
      world.host.faults.failNext('runtime.checkpoint')
      await expect((await core.sandboxes.pause(world.by, sandbox.id)).done).rejects.toThrow()
    }
  })

  it('deletes a snapshot when its time has come', async () => {
    const world = new World()
    await using core = await world.server({ fakeTime: true })
    const sandbox = await world.sandbox(core)
    const snapshot = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem', ttlMs: 1_000 }))
      .done
    await core.idle()
    world.clock.advance(1_000)
    await settled(core)
    await expect(core.snapshots.get(world.by, snapshot.id)).rejects.toMatchObject({ code: 'not_found' })
    expect(await world.disagreements(core)).toEqual([])
  })
})

describe('what a sandbox may not do to its owner', () => {
  it('a runtime that dies under a running sandbox leaves it failed, with the reason, and startable', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    world.host.crashIncarnation(sandbox.incarnationId as IncarnationId, 'out_of_memory')
    await expect.poll(async () => (await core.sandboxes.get(world.by, sandbox.id)).state).toBe('failed')
    expect((await core.sandboxes.get(world.by, sandbox.id)).failure?.reason).toBe('out_of_memory')
    expect((await (await core.sandboxes.start(world.by, sandbox.id)).done).state).toBe('running')
  })

  it('a snapshot that the runtime refuses fails with the reason, and the sandbox runs on', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    world.host.faults.failNext('runtime.checkpoint')
    const { value, done } = await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })
    await expect(done).rejects.toMatchObject({ code: 'runtime_failed' })
    expect(await core.snapshots.get(world.by, value.id)).toMatchObject({ state: 'failed' })
    await world.startCounter(core, sandbox)
    expect(await world.disagreements(core)).toEqual([])
  })
})

describe('an idempotency key', () => {
  const answer = (n: number) => async () => ({ status: 201, body: { n } })

  it('gives the first answer again, and refuses another request', async () => {
    const world = new World()
    await using core = await world.server()
    expect(await core.idempotency.once(world.by, 'k', 'one', answer(1))).toMatchObject({
      body: { n: 1 },
      replayed: false,
    })
    expect(await core.idempotency.once(world.by, 'k', 'one', answer(2))).toMatchObject({
      body: { n: 1 },
      replayed: true,
    })
    await expect(core.idempotency.once(world.by, 'k', 'other', answer(3))).rejects.toMatchObject({
      code: 'idempotency_mismatch',
    })
  })

  it('is free again after a failure, and after a server that died without an answer', async () => {
    const world = new World()
    const first = await world.server()
    await expect(
      first.idempotency.once(world.by, 'failed', 'one', () => Promise.reject(new Error('no'))),
    ).rejects.toThrow('no')
    expect(await first.idempotency.once(world.by, 'failed', 'one', answer(1))).toMatchObject({ replayed: false })
    const begun = Promise.withResolvers<void>()
    void first.idempotency.once(world.by, 'cut off', 'one', () => {
      begun.resolve()
      return new Promise(() => {})
    })
    await begun.promise
    await expect(first.idempotency.once(world.by, 'cut off', 'one', answer(1))).rejects.toMatchObject({
      code: 'operation_in_progress',
    })
    world.host.crashServer()
    await new Promise((resolve) => setTimeout(resolve, 5)) // so that the next server began later by the clock
    await using second = await world.server()
    expect(await second.idempotency.once(world.by, 'cut off', 'one', answer(2))).toMatchObject({
      body: { n: 2 },
      replayed: false,
    })
  })
})

describe('what belongs to another team', () => {
  it('is not found', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    const stranger = { teamId: 'f'.repeat(24) as never, keyId: null }
    await expect(core.sandboxes.get(stranger, sandbox.id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(core.sandboxes.kill(stranger, sandbox.id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(core.sandboxes.create(stranger, { image: 'base' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(core.snapshots.create(stranger, sandbox.id, { kind: 'memory' })).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})

describe('a server that closes', () => {
  it('lets go of every part, also where one cannot be let go of', async () => {
    class Stuck extends World {
      override runtime(host: FakeHost): Runtime {
        return Object.assign(super.runtime(host), { close: () => Promise.reject(new Error('it is stuck')) })
      }
    }
    const core = await new Stuck().server()
    await expect(core.close()).rejects.toThrow('it is stuck')
    await expect(core.ping()).rejects.toMatchObject({ code: 'unavailable' })
  })
})

/** Lets what a timer set off come to its end. */
async function settled(core: { idle(): Promise<void> }): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    await core.idle()
  }
}
