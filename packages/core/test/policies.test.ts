import { describe, expect, it } from 'vitest'
import type { Sandbox } from '../src/index.ts'
import { begin, settled } from './policy-world.ts'
import { World } from './world.ts'

describe('a time that has come', () => {
  it('stops: the files stay, the processes are gone', async () => {
    await using it = await begin({ timeoutMs: 60_000, onTimeout: 'stop' })
    await it.world.startCounter(it.core, it.sandbox)
    const { guest } = await it.core.sandboxes.guest(it.world.by, it.sandbox.id)
    await guest.files.write('/home/user/kept', [Buffer.from('kept')] as never)
    await it.pass(60_000)
    expect(await it.now()).toMatchObject({ state: 'stopped', expiresAt: null, haltedAt: it.world.clock.now() })
    expect(it.world.host.leaks().incarnations).toEqual([])
    await it.transit('start')
    const again = (await it.core.sandboxes.guest(it.world.by, it.sandbox.id)).guest
    expect((await again.files.stat('/home/user/kept')).sizeBytes).toBe(4)
    await expect(again.processes.get('counter')).rejects.toMatchObject({ code: 'process_not_found' })
    expect(await it.world.disagreements(it.core)).toEqual([])
  })

  it('has come, too, when the clock was set or the machine slept, and has not when it was set back', async () => {
    await using it = await begin({ timeoutMs: 3_600_000, onTimeout: 'stop' })
    it.world.clock.set(-3_600_000)
    await it.pass(3_600_000)
    expect((await it.now()).state).toBe('running')
    it.world.clock.set(3_600_000)
    await it.pass(30_000)
    expect((await it.now()).state).toBe('stopped')
  })

  it('stops what is idle', async () => {
    await using it = await begin({ idleTimeoutMs: 1_000, onTimeout: 'stop' })
    await it.pass(1_000)
    expect((await it.now()).state).toBe('stopped')
  })

  it('counts idle time by no clock that can be set', async () => {
    await using it = await begin({ idleTimeoutMs: 3_600_000, onTimeout: 'kill' })
    it.world.clock.set(86_400_000)
    await it.pass(60_000)
    expect((await it.now()).state).toBe('running')
    it.world.clock.set(-2 * 86_400_000)
    await it.pass(3_600_000)
    expect((await it.now()).state).toBe('killed')
  })

  it('does nothing if it is put off while what it asks for waits its turn', async () => {
    await using it = await begin({ timeoutMs: 60_000, onTimeout: 'kill' })
    const held = it.world.host.faults.hang('runtime.checkpoint')
    const snapshot = await it.core.snapshots.create(it.world.by, it.sandbox.id, { kind: 'memory' })
    await held.reached
    it.world.clock.advance(60_000)
    await it.world.host.faults.quiet()
    await it.core.sandboxes.update(it.world.by, it.sandbox.id, { timeout: { timeoutMs: 60_000 } })
    held.release()
    await snapshot.done
    await settled(it.core)
    expect((await it.now()).state).toBe('running')
    await it.pass(60_000)
    expect((await it.now()).state).toBe('killed')
  })
})

describe('deleteAfterMs', () => {
  it.each(['pause', 'stop'] as const)('kills what rests, so long after its %s', async (verb) => {
    await using it = await begin({ deleteAfterMs: 3_600_000 })
    await it.pass(7_200_000)
    expect((await it.now()).state).toBe('running')
    await it.transit(verb)
    await it.pass(3_599_999)
    expect((await it.now()).state).toBe(verb === 'pause' ? 'paused' : 'stopped')
    await it.pass(1)
    expect((await it.now()).state).toBe('killed')
    expect(await it.world.disagreements(it.core)).toEqual([])
    expect(it.world.host.leaks()).toMatchObject({ roots: [], snapshots: [] })
  })

  it('kills what failed, so long after its failure', async () => {
    await using it = await begin({ deleteAfterMs: 3_600_000 })
    it.world.host.crashIncarnation(it.sandbox.incarnationId as never)
    await it.pass(0)
    expect(await it.now()).toMatchObject({ state: 'failed', haltedAt: it.world.clock.now() })
    await it.pass(3_599_999)
    expect((await it.now()).state).toBe('failed')
    await it.pass(1)
    expect((await it.now()).state).toBe('killed')
    expect(await it.world.disagreements(it.core)).toEqual([])
  })

  it('follows a timeout, and counts anew with each rest', async () => {
    await using it = await begin({ timeoutMs: 1_000, onTimeout: 'pause', deleteAfterMs: 10_000 })
    await it.pass(1_000)
    await it.pass(9_000)
    await it.transit('resume')
    expect(await it.now()).toMatchObject({ state: 'running', haltedAt: null })
    await it.pass(1_000)
    await it.pass(9_999)
    expect((await it.now()).state).toBe('paused')
    await it.pass(1)
    expect((await it.now()).state).toBe('killed')
  })

  it('set or lengthened while it rests counts from the beginning of the rest', async () => {
    await using it = await begin({})
    await it.transit('stop')
    await it.pass(5_000)
    const set = (deleteAfterMs: number | null) =>
      it.core.sandboxes.update(it.world.by, it.sandbox.id, { timeout: { deleteAfterMs } })
    await set(6_000)
    await set(20_000)
    await it.pass(14_999)
    expect((await it.now()).state).toBe('stopped')
    await set(null)
    await it.pass(1_000_000)
    expect((await it.now()).state).toBe('stopped')
    await set(1)
    await it.pass(0)
    expect((await it.now()).state).toBe('killed')
  })

  it('is not put off by an attempt to bring it back that fails', async () => {
    await using it = await begin({ deleteAfterMs: 10_000 })
    await it.transit('pause')
    await it.pass(5_000)
    it.world.host.faults.failNext('runtime.restore')
    await expect(it.transit('resume')).rejects.toMatchObject({ code: 'runtime_failed' })
    await it.pass(5_000)
    expect((await it.now()).state).toBe('killed')
  })

  it('does not kill what is brought back at the moment its time comes', async () => {
    await using it = await begin({ deleteAfterMs: 10_000 })
    await it.transit('pause')
    const [first, second] = [it.world.host.faults.hang('ledger.read'), it.world.host.faults.hang('ledger.read')]
    it.world.clock.advance(10_000)
    await first.reached
    first.release() // the alarm has found it paused for too long
    await second.reached
    await it.transit('resume')
    second.release()
    await settled(it.core)
    expect((await it.now()).state).toBe('running')
  })

  it.each(['pause', 'stop'] as const)('is kept by a server that starts, after a %s', async (verb) => {
    const first = await begin({ deleteAfterMs: 10_000 })
    await first.transit(verb)
    first.world.host.crashServer()
    await using core = await first.world.server({ fakeTime: true })
    const state = async () => (await core.sandboxes.get(first.world.by, first.sandbox.id)).state
    first.world.clock.advance(9_999)
    await settled(core)
    expect(await state()).not.toBe('killed')
    first.world.clock.advance(1)
    await settled(core)
    expect(await state()).toBe('killed')
    expect(await first.world.disagreements(core)).toEqual([])
  })

  it('that passed while no server was there strikes when one starts', async () => {
    const first = await begin({ deleteAfterMs: 10_000 })
    await first.transit('pause')
    first.world.host.crashServer()
    first.world.clock.advance(20_000)
    await using core = await first.world.server({ fakeTime: true })
    first.world.clock.advance(0)
    await settled(core)
    expect((await core.sandboxes.get(first.world.by, first.sandbox.id)).state).toBe('killed')
  })
})

describe('a timeout', () => {
  const update = (
    it: Awaited<ReturnType<typeof begin>>,
    timeoutMs: number | null,
    extendOnly = true,
  ): Promise<Sandbox> => it.core.sandboxes.update(it.world.by, it.sandbox.id, { timeout: { timeoutMs }, extendOnly })
  const left = (it: Awaited<ReturnType<typeof begin>>, sandbox: Sandbox) =>
    sandbox.expiresAt === null ? null : sandbox.expiresAt.getTime() - it.world.clock.now().getTime()

  it('that may only extend never moves the expiry closer', async () => {
    await using it = await begin({ timeoutMs: 60_000 })
    expect(await update(it, 30_000)).toMatchObject({ timeout: { timeoutMs: 60_000 } })
    expect(left(it, await it.now())).toBe(60_000)
    await it.pass(50_000)
    expect(left(it, await update(it, 30_000))).toBe(30_000)
    expect(left(it, await update(it, null))).toBeNull()
    expect(left(it, await update(it, 1_000))).toBeNull()
    expect(left(it, await update(it, 1_000, false))).toBe(1_000)
  })

  it('of a sandbox that rests changes the policy only', async () => {
    await using it = await begin({ timeoutMs: 60_000 })
    await it.transit('pause')
    expect(await update(it, 5_000, false)).toMatchObject({ expiresAt: null, timeout: { timeoutMs: 5_000 } })
    expect(await update(it, 1_000)).toMatchObject({ timeout: { timeoutMs: 5_000 } })
    expect(await update(it, 9_000)).toMatchObject({ timeout: { timeoutMs: 9_000 } })
    await it.pass(1_000_000)
    expect((await it.now()).state).toBe('paused')
    expect(left(it, await it.transit('resume'))).toBe(9_000)
  })

  it.each([
    ['pause', 'resume'],
    ['stop', 'start'],
  ] as const)('can be given with the transition back from a %s', async (rest, back) => {
    await using it = await begin({ timeoutMs: 60_000 })
    await it.transit(rest)
    const { done } = await it.core.sandboxes[back](it.world.by, it.sandbox.id, { timeoutMs: 7_000 })
    expect(await done).toMatchObject({ timeout: { timeoutMs: 7_000 } })
    expect(left(it, await it.now())).toBe(7_000)
    // Nothing is left to do: nothing is changed.
    await (await it.core.sandboxes[back](it.world.by, it.sandbox.id, { timeoutMs: 1 })).done
    expect(left(it, await it.now())).toBe(7_000)
    const bad = it.core.sandboxes[rest](it.world.by, it.sandbox.id).then(async ({ done }) => {
      await done
      await it.core.sandboxes[back](it.world.by, it.sandbox.id, { timeoutMs: -1 })
    })
    await expect(bad).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(await it.now()).toMatchObject({ timeout: { timeoutMs: 7_000 }, incarnationId: null })
  })

  it('changed while the sandbox comes back counts for what comes up', async () => {
    await using it = await begin({ timeoutMs: 60_000 })
    await it.transit('pause')
    const held = it.world.host.faults.hang('runtime.restore')
    const { done } = await it.core.sandboxes.resume(it.world.by, it.sandbox.id, { timeoutMs: 7_000 })
    await held.reached
    await update(it, 9_000, false)
    held.release()
    expect(left(it, await done)).toBe(9_000)
  })
})

describe('bad policies', () => {
  it.each([
    [{ timeout: { deleteAfterMs: 0 } }],
    [{ timeout: { deleteAfterMs: Number.NaN } }],
    [{ ingress: { ports: { 0: 'open' } } }],
    [{ ingress: { ports: { 65536: 'open' } } }],
    [{ ingress: { ports: { '080': 'open' } } }],
    [{ ingress: { ports: { http: 'open' } } }],
    [{ ingress: { default: 'public' } }],
    [{ ingress: { ports: { 80: 'yes' } } }],
    [{ ingress: { hostHeader: 'two words' } }],
    [{ ingress: { hostHeader: 'a\r\nX: y' } }],
    [{ env: { 'a=b': 'c' } }],
  ])('%j is refused and changes nothing', async (request) => {
    await using it = await begin({})
    const before = await it.now()
    const bad = request as never
    await expect(it.core.sandboxes.update(it.world.by, it.sandbox.id, bad)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    expect(await it.now()).toEqual(before)
    const create = it.core.sandboxes.create(it.world.by, { image: 'base', ...(request as object) })
    await expect(create).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('ingress and network', () => {
  it('are a fork\u2019s as its parent\u2019s, unless told otherwise', async () => {
    const world = new World()
    await using core = await world.server()
    const ingress = { default: 'token', ports: { 8080: 'open' } } as const
    const parent = await (
      await core.sandboxes.create(world.by, { image: 'base', ingress, network: { internet: false } })
    ).done
    expect(parent.ingress).toEqual({ ...ingress, hostHeader: null })
    const { done } = await core.sandboxes.fork(world.by, parent.id, {
      count: 2,
      mode: 'all_or_nothing',
      children: [{}, { ingress: { default: 'closed' }, network: { internet: true } }],
    })
    const [same, other] = (await done).map(({ sandbox }) => sandbox)
    expect(same).toMatchObject({ ingress: parent.ingress, network: { internet: false } })
    expect(other).toMatchObject({ ingress: { default: 'closed', ports: ingress.ports }, network: { internet: true } })
    const changed = await core.sandboxes.update(world.by, parent.id, {
      ingress: { ports: {}, hostHeader: 'localhost' },
    })
    expect(changed.ingress).toEqual({ default: 'token', ports: {}, hostHeader: 'localhost' })
  })
})
