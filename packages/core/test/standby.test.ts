import { type FakeHost, FakeRuntime } from '@spawnpoint/fakes'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { IncarnationId, IncarnationSpec, MemoryImage, Runtime } from '../src/index.ts'
import { World } from './world.ts'

/** Remembers what was prepared; a start of it is an ordinary one here. */
class PreparingRuntime extends FakeRuntime implements Runtime {
  readonly prepared: string[] = []

  prepare(spec: IncarnationSpec, _memory: MemoryImage | null): Promise<void> {
    this.prepared.push(spec.id)
    return Promise.resolve()
  }
}

class PreparingWorld extends World {
  readonly runtimes: PreparingRuntime[] = []

  override runtime(host: FakeHost): Runtime {
    const runtime = new PreparingRuntime(host)
    this.runtimes.push(runtime)
    return runtime
  }
}

async function begin() {
  const world = new PreparingWorld()
  const core = await world.server({ fakeTime: true })
  onTestFinished(() => core.close())
  const runtime = world.runtimes[0] as PreparingRuntime
  const first = await world.sandbox(core)
  return { world, core, runtime, first }
}

/** Lets what a timer began come to its end. */
async function settled(condition: () => boolean): Promise<void> {
  await expect.poll(condition).toBe(true)
}

test('the next sandbox of an image in use is made ahead, and taken once', async () => {
  const { world, core, runtime } = await begin()
  expect(runtime.prepared).toEqual([])
  world.clock.advance(200)
  await settled(() => runtime.prepared.length === 1 && world.host.roots.size === 2)
  const second = await world.sandbox(core)
  expect(second.incarnationId).toBe(runtime.prepared[0])
  const third = await world.sandbox(core)
  expect(third.incarnationId).not.toBe(runtime.prepared[0])
  expect(await world.disagreements(core)).toEqual([])
})

test('of a snapshot that is in use, one comes up before anybody has looked it up; whose it is, and whether it is there, counts all the same', async () => {
  const { world, core, runtime, first } = await begin()
  const { id } = await (await core.snapshots.create(world.by, first.id, { kind: 'memory' })).done
  const spawn = async (by = world.by) => (await core.sandboxes.create(by, { snapshot: id })).done
  await spawn()
  world.clock.advance(200)
  await settled(() => runtime.prepared.length === 2)
  await core.idle()
  const stranger = { ...world.by, teamId: 'f'.repeat(24) as typeof world.by.teamId }
  await expect(spawn(stranger)).rejects.toMatchObject({ code: 'not_found' })

  const look = world.host.faults.hang('ledger.read')
  const spawned = spawn()
  await settled(() => world.host.incarnations.has(runtime.prepared[1] as IncarnationId))
  look.release()
  expect((await spawned).incarnationId).toBe(runtime.prepared[1])

  world.clock.advance(200)
  await settled(() => runtime.prepared.length === 3)
  await core.idle()
  await core.snapshots.delete(world.by, id)
  await expect(spawn()).rejects.toMatchObject({ code: 'not_found' })
  // The image's own, which was made ahead too, goes by itself.
  world.clock.advance(60_000)
  await core.idle()
  expect(await world.disagreements(core)).toEqual([])
})

test('what nobody takes is removed after a minute, and when the server ends', async () => {
  const { world, core, runtime } = await begin()
  world.clock.advance(200)
  await settled(() => runtime.prepared.length === 1)
  world.clock.advance(60_000)
  await settled(() => world.host.roots.size === 1)
  await world.sandbox(core)
  world.clock.advance(200)
  await settled(() => runtime.prepared.length === 2)
  await core.close()
  expect(world.host.roots.size).toBe(2)
})

test('what a dead server had made ahead is swept at the next start', async () => {
  const { world, runtime } = await begin()
  world.clock.advance(200)
  await settled(() => runtime.prepared.length === 1 && world.host.roots.size === 2)
  world.host.faults.crash()
  const next = await world.server({ fakeTime: true })
  onTestFinished(() => next.close())
  expect(next.lastStart.swept.some((what) => what.startsWith('root'))).toBe(true)
  expect(await world.disagreements(next)).toEqual([])
})

describe('what is made ahead comes up while its sandbox is claimed', () => {
  async function taken() {
    const begun = await begin()
    begun.world.clock.advance(200)
    await settled(() => begun.runtime.prepared.length === 1 && begun.world.host.roots.size === 2)
    begun.world.host.faults.reset()
    return begun
  }

  test('before the claim is committed', async () => {
    const { world, core, runtime } = await taken()
    const commit = world.host.faults.hang('ledger.commit')
    const created = world.sandbox(core)
    await commit.reached
    await settled(() => world.host.incarnations.has(runtime.prepared[0] as IncarnationId))
    commit.release()
    expect((await created).incarnationId).toBe(runtime.prepared[0])
    expect(await world.disagreements(core)).toEqual([])
  })

  test('and goes if it cannot be claimed', async () => {
    const { world, core, runtime } = await taken()
    await core.sandboxes.update(world.by, (await core.sandboxes.list(world.by, {}, { limit: 1 })).items[0]?.id ?? '', {
      name: 'taken',
    })
    const created = core.sandboxes.create(world.by, { image: 'base', name: 'taken' })
    await expect(created).rejects.toMatchObject({ code: 'name_taken' })
    await settled(() => !world.host.incarnations.has(runtime.prepared[0] as IncarnationId))
    expect(await world.disagreements(core)).toEqual([])
  })

  test('and before its idempotency key is known to be free; one that was answered before gets that answer', async () => {
    const { world, core, runtime } = await taken()
    const ask = (hash: string) =>
      core.idempotency.once(
        world.by,
        'key',
        hash,
        async (by) => ({ status: 201, body: (await (await core.sandboxes.create(by, { image: 'base' })).done).id }),
        { early: true },
      )
    const claim = world.host.faults.hang('ledger.commit')
    const asked = ask('hash')
    await claim.reached
    await settled(() => world.host.incarnations.has(runtime.prepared[0] as IncarnationId))
    claim.release()
    const first = await asked

    world.clock.advance(200)
    await settled(() => runtime.prepared.length === 2 && world.host.roots.size === 3)
    expect(await ask('hash')).toEqual({ ...first, replayed: true })
    await expect(ask('another')).rejects.toMatchObject({ code: 'idempotency_mismatch' })
    await core.idle()
    await settled(() => world.host.roots.size === 2)
    expect(world.host.incarnations.has(runtime.prepared[1] as IncarnationId)).toBe(false)
    expect(await world.disagreements(core)).toEqual([])
  })

  test('and leaves nothing behind when any call fails, or the server dies at it', async () => {
    const calls = await taken().then(async ({ world, core }) => {
      await world.sandbox(core)
      return world.host.faults.log.map(({ step }) => step)
    })
    for (const [index, step] of calls.entries()) {
      for (const fault of ['fail', 'before', 'during', 'after'] as const) {
        const { world, core } = await taken()
        if (fault === 'fail') world.host.faults.failCall(index)
        else world.host.faults.crashCall(index, fault)
        await world.sandbox(core).catch(() => {}) // whether it fails is not the question here
        await core.idle()
        world.host.faults.crash()
        const next = await world.server({ fakeTime: true })
        expect(await world.disagreements(next), `${fault} at ${step}`).toEqual([])
        await next.close()
      }
    }
  })
})
