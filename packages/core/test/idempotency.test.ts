import type { Hang } from '@spawnpoint/fakes'
import { describe, expect, it } from 'vitest'
import { type Core, isCode, type Principal, type Sandbox, type Snapshot, SpawnpointError } from '../src/index.ts'
import { CONFIG, World } from './world.ts'

/** A request with an idempotency key; answers with the ids of what it made. */
interface Scenario {
  name: string
  early?: boolean
  run(as: Principal, core: Core, origin: Sandbox, point: Snapshot): Promise<string[]>
  /** Ids of what requests of this kind have made and that is there now */
  made(world: World, origin: Sandbox, point: Snapshot): string[]
}

const runningBut = (world: World, origin: Sandbox) =>
  [...world.host.ledger.committed.sandboxes.values()]
    .filter((sandbox) => sandbox.state === 'running' && sandbox.id !== origin.id)
    .map((sandbox) => sandbox.id as string)

const done = (world: World, kind: string) =>
  [...world.host.ledger.committed.operations.values()]
    .filter((operation) => operation.kind === kind && operation.state === 'done')
    .map((operation) => operation.id as string)

const SCENARIOS: Scenario[] = [
  {
    name: 'image.build',
    run: async (as, c) => [
      (await (await c.images.build(as, { name: 'other', source: { type: 'tar', path: 'x.tar' } })).done).id,
    ],
    made: (w) =>
      [...w.host.ledger.committed.images.values()]
        .filter((image) => image.name === 'other' && image.state === 'ready')
        .map((image) => image.id),
  },
  {
    name: 'sandbox.create',
    run: async (as, c) => [(await (await c.sandboxes.create(as, { image: 'base', name: 'new' })).done).id],
    made: runningBut,
  },
  {
    name: 'spawn',
    run: async (as, c, _o, p) => [(await (await c.sandboxes.create(as, { snapshot: p.id })).done).id],
    made: runningBut,
  },
  {
    name: 'spawn that begins early',
    early: true,
    run: async (as, c, _o, p) => [(await (await c.sandboxes.create(as, { snapshot: p.id })).done).id],
    made: runningBut,
  },
  {
    name: 'sandbox.fork',
    run: async (as, c, o) => {
      const children = await (await c.sandboxes.fork(as, o.id, { count: 2, mode: 'all_or_nothing' })).done
      return children.map((child) => child.sandbox?.id ?? 'none')
    },
    made: runningBut,
  },
  {
    name: 'snapshot.create',
    run: async (as, c, o) => [(await (await c.snapshots.create(as, o.id, { kind: 'memory' })).done).id],
    made: (w, _o, p) =>
      [...w.host.ledger.committed.snapshots.values()]
        .filter((snapshot) => snapshot.state === 'ready' && snapshot.id !== p.id)
        .map((snapshot) => snapshot.id),
  },
  {
    name: 'sandbox.rollback',
    run: async (as, c, o, p) => {
      const { operationId, done } = await c.sandboxes.rollback(as, o.id, { snapshot: p.id })
      await done
      return [String(operationId)]
    },
    made: (w) => done(w, 'sandbox.rollback'),
  },
]

async function begin() {
  const world = new World()
  const core = await world.server()
  const origin = await world.sandbox(core)
  await world.startCounter(core, origin)
  const point = await (await core.snapshots.create(world.by, origin.id, { kind: 'memory' })).done
  await core.idle()
  world.host.faults.reset()
  return { world, core, origin, point }
}

const ask = (scenario: Scenario, { world, core, origin, point }: Awaited<ReturnType<typeof begin>>) =>
  core.idempotency.once(
    world.by,
    'key',
    'hash',
    async (as) => ({ status: 201, body: await scenario.run(as, core, origin, point) }),
    { early: scenario.early ?? false },
  )

describe.each(SCENARIOS)('$name asked again with its key', (scenario) => {
  it('is done once, wherever the server died', async () => {
    const calm = await begin()
    await ask(scenario, calm)
    await calm.core.idle()
    const calls = calm.world.host.faults.log.map((call) => call.step)
    expect(calls.length).toBeGreaterThan(3)
    for (const [index, step] of calls.entries()) {
      for (const when of ['before', 'during', 'after'] as const) {
        const first = await begin()
        const { world, origin, point } = first
        world.host.faults.crashCall(index, when)
        const answer = await ask(scenario, first).catch(() => null) // its server is dead
        await first.core.idle()
        world.host.faults.crash()
        await using core = await world.server()
        const again = await ask(scenario, { ...first, core })
        const fault = `died ${when} call ${index} (${step})`
        expect(again.body, fault).toEqual(scenario.made(world, origin, point))
        if (answer !== null) expect(again, fault).toEqual({ ...answer, replayed: true })
        expect((await ask(scenario, { ...first, core })).body, fault).toEqual(again.body)
        expect(await world.disagreements(core), fault).toEqual([])
      }
    }
  })

  it('is done once when a call fails', async () => {
    const calm = await begin()
    await ask(scenario, calm)
    await calm.core.idle()
    const calls = calm.world.host.faults.log.length
    for (let index = 0; index < calls; index += 1) {
      const first = await begin()
      const { world, origin, point } = first
      world.host.faults.failCall(index)
      await ask(scenario, first).catch(() => null) // asked again below
      await first.core.idle()
      world.host.faults.crash()
      await using core = await world.server()
      const again = await ask(scenario, { ...first, core })
      expect(again.body, `failed call ${index}`).toEqual(scenario.made(world, origin, point))
      expect(await world.disagreements(core)).toEqual([])
    }
  })
})

it('a pause that an earlier server did is not done again to a sandbox that was resumed since', async () => {
  const { world, core, origin } = await begin()
  const pause = (server: Core) =>
    server.idempotency.once(world.by, 'key', 'hash', async (as) => {
      const { operationId, done } = await server.sandboxes.pause(as, origin.id)
      const { state } = await done
      if (server === core) world.host.faults.crash()
      return { status: 200, body: { operationId, state } }
    })
  // Answered, as far as this server could tell; it died before that was stored.
  expect(await pause(core)).toMatchObject({ status: 200, replayed: false })
  await using next = await world.server()
  await (await next.sandboxes.resume(world.by, origin.id)).done
  const [operationId] = done(world, 'sandbox.pause')
  expect(await pause(next)).toEqual({ status: 200, body: { operationId, state: 'running' }, replayed: true })
})

it('what the first request made and was deleted since is not made again', async () => {
  const { world, core, origin } = await begin()
  const take = (server: Core) =>
    server.idempotency.once(world.by, 'key', 'hash', async (as) => {
      const { id } = await (await server.snapshots.create(as, origin.id, { kind: 'filesystem' })).done
      if (server === core) world.host.faults.crash()
      return { status: 201, body: id }
    })
  expect(await take(core)).toMatchObject({ status: 201, replayed: false })
  await using next = await world.server()
  const { items } = await next.snapshots.list(world.by, { kind: 'filesystem' }, { limit: 2 })
  expect(items).toHaveLength(1)
  await next.snapshots.delete(world.by, String(items[0]?.id))
  await expect(take(next)).rejects.toSatisfy((error) => isCode(error, 'not_found'))
  expect((await next.snapshots.list(world.by, { kind: 'filesystem' }, { limit: 2 })).items).toEqual([])
})

it('the second thing that one request does is its own', async () => {
  const { world, core, origin } = await begin()
  const both = async (as: Principal) => {
    const one = await (await core.sandboxes.create(as, { image: 'base' })).done
    const other = await (await core.sandboxes.pause(as, origin.id)).done
    return { status: 200, body: [one.state, other.state] }
  }
  expect((await core.idempotency.once(world.by, 'key', 'hash', both)).body).toEqual(['running', 'paused'])
})

it('a response that could not be stored is given again from what was done', async () => {
  const { world, core } = await begin()
  let operations = 0
  const create = () =>
    core.idempotency.once(world.by, 'key', 'hash', async (as) => {
      const { operationId, done } = await core.sandboxes.create(as, { image: 'base' })
      await done
      if (operations++ === 0) world.host.faults.failNext('ledger.commit')
      return { status: 201, body: operationId }
    })
  const first = { status: 201, body: expect.any(String), replayed: false }
  expect(await create()).toEqual(first)
  expect(await create()).toEqual({ status: 201, body: done(world, 'sandbox.create').at(-1), replayed: true })
  expect(await create()).toEqual({ status: 201, body: done(world, 'sandbox.create').at(-1), replayed: true })
  expect(operations).toBe(2)
})

it('waits for an answer that is being stored, and gives it', async () => {
  const { world, core } = await begin()
  const storings: Hang[] = []
  const create = () =>
    core.idempotency.once(world.by, 'key', 'hash', async () => {
      storings.push(world.host.faults.hang('ledger.commit'))
      return { status: 201, body: 'it' }
    })
  expect(await create()).toEqual({ status: 201, body: 'it', replayed: false })
  await storings[0]?.reached
  const again = create()
  storings[0]?.release()
  expect(await again).toEqual({ status: 201, body: 'it', replayed: true })
  expect(storings).toHaveLength(1)
})

it('is under way until it is answered, and free for another request once it was undone', async () => {
  const { world, core } = await begin()
  const create = (hash: string) =>
    core.idempotency.once(world.by, 'key', hash, async (as) => ({
      status: 201,
      body: (await (await core.sandboxes.create(as, { image: 'base' })).done).id,
    }))
  const hang = world.host.faults.hang('guest.identify')
  const first = create('hash')
  await hang.reached
  await expect(create('hash')).rejects.toSatisfy((error) => isCode(error, 'operation_in_progress'))
  await expect(create('other')).rejects.toSatisfy((error) => isCode(error, 'idempotency_mismatch'))
  hang.release()
  await first
  await expect(create('other')).rejects.toSatisfy((error) => isCode(error, 'idempotency_mismatch'))
  world.host.faults.failNext('runtime.start')
  const failing = (hash: string) =>
    core.idempotency.once(world.by, 'failing', hash, async (as) => ({
      status: 201,
      body: (await (await core.sandboxes.create(as, { image: 'base' })).done).id,
    }))
  await expect(failing('hash')).rejects.toThrow()
  expect(await failing('other')).toMatchObject({ replayed: false })
})

it('answers under keys that begin alike are found as soon as they are given, and not once they are too old', async () => {
  const world = new World()
  const core = await world.server({ fakeTime: true })
  const answer = (key: string) => core.idempotency.once(world.by, key, key, async () => ({ status: 200, body: key }))
  await answer('a:1')
  world.clock.advance(1_000)
  await answer('a:2')
  await answer('b:1')
  await core.idempotency.once(world.by, 'a:3', 'a:3', async () => Promise.reject(new Error('no'))).catch(() => {})
  const found = async () => (await core.idempotency.answers(world.by, 'a:', 10)).map(({ key, body }) => [key, body])
  expect(await found()).toEqual([
    ['a:2', 'a:2'],
    ['a:1', 'a:1'],
  ])
  world.clock.advance(CONFIG.keep.idempotencyMs - 500)
  expect(await found()).toEqual([['a:2', 'a:2']])
})

it('an answer that is to be kept is there whatever happens once it was given, and is not given before', async () => {
  const world = new World()
  const core = await world.server()
  const place = () =>
    core.idempotency.once(world.by, 'order', 'order', async () => ({ status: 202, body: 'it' }), { keep: true })
  world.host.faults.reset()
  // The first commit claims the key.
  const away = new SpawnpointError('unavailable', 'away', { reason: 'away' })
  world.host.faults.failCall(1, away)
  await expect(place()).rejects.toMatchObject({ code: 'unavailable' })
  expect(await place()).toEqual({ status: 202, body: 'it', replayed: false })
  world.host.faults.crash()
  await using next = await world.server()
  expect(await next.idempotency.answers(world.by, 'order', 10)).toMatchObject([{ key: 'order', body: 'it' }])
})
