import { describe, expect, it } from 'vitest'
import type { Core, Sandbox, Snapshot } from '../src/index.ts'
import { World } from './world.ts'

type Run = (world: World, core: Core, origin: Sandbox, point: Snapshot) => Promise<unknown>

const pause: Run = async (w, c, o) => (await c.sandboxes.pause(w.by, o.id)).done
const stop: Run = async (w, c, o) => (await c.sandboxes.stop(w.by, o.id)).done

const OPERATIONS: { name: string; prepare?: Run; run: Run }[] = [
  { name: 'sandbox.create', run: async (w, c) => (await c.sandboxes.create(w.by, { image: 'base' })).done },
  { name: 'sandbox.pause', run: pause },
  { name: 'sandbox.resume', prepare: pause, run: async (w, c, o) => (await c.sandboxes.resume(w.by, o.id)).done },
  { name: 'sandbox.stop', run: stop },
  { name: 'sandbox.start', prepare: stop, run: async (w, c, o) => (await c.sandboxes.start(w.by, o.id)).done },
  {
    name: 'sandbox.rollback',
    run: async (w, c, o, p) => (await c.sandboxes.rollback(w.by, o.id, { snapshot: p.id })).done,
  },
  {
    name: 'sandbox.fork',
    run: async (w, c, o) => (await c.sandboxes.fork(w.by, o.id, { count: 2, mode: 'all_or_nothing' })).done,
  },
  { name: 'sandbox.kill', run: (w, c, o) => c.sandboxes.kill(w.by, o.id) },
  { name: 'snapshot.create', run: async (w, c, o) => (await c.snapshots.create(w.by, o.id, { kind: 'memory' })).done },
  { name: 'snapshot.delete', run: (w, c, _o, p) => c.snapshots.delete(w.by, p.id, { permanent: true }) },
  {
    name: 'image.build',
    run: async (w, c) => {
      const source = { type: 'recipe' as const, from: 'base', steps: [{ type: 'run' as const, command: 'echo > x' }] }
      await (await c.images.build(w.by, { name: 'other', source })).done
    },
  },
  { name: 'image.delete', run: (w, c) => c.images.delete(w.by, 'base') },
]

async function begin({ prepare }: (typeof OPERATIONS)[number]) {
  const world = new World()
  const core = await world.server({ fakeTime: true })
  const origin = await world.sandbox(core)
  await world.startCounter(core, origin)
  const point = await (await core.snapshots.create(world.by, origin.id, { kind: 'memory' })).done
  await prepare?.(world, core, origin, point)
  await core.idle()
  world.host.faults.reset()
  return { world, core, origin, point }
}

/** Time passes, no faster than what it sets off, until `over`, for twenty minutes at most. */
async function pass(world: World, over: () => boolean, mostMs = 20 * 60_000): Promise<void> {
  for (let passedMs = 0; passedMs < mostMs && !over(); passedMs += 5_000) {
    // What needs no time comes first, as where the calls were counted.
    await world.host.faults.quiet()
    world.clock.advance(5_000)
  }
}

describe('a ledger that is away for longer than anybody waits', () => {
  it.each(OPERATIONS)('from any commit of $name on, done or not, leaves nothing wrong', async (operation) => {
    const { world, core, origin, point } = await begin(operation)
    await operation.run(world, core, origin, point)
    await core.idle()
    const commits = world.host.faults.log.filter(({ step }) => step === 'ledger.commit')
    expect(commits.length).toBeGreaterThan(1)
    for (const { index } of commits) {
      for (const done of [true, false]) {
        const { world, core, origin, point } = await begin(operation)
        if (done) world.host.faults.loseFrom(index, 'ledger')
        else world.host.faults.loseFrom(index - 1, 'ledger')
        let ended = false
        const over = () => {
          ended = true
        }
        operation.run(world, core, origin, point).then(over, over) // what it is told is the operation's affair
        await pass(world, () => ended)
        expect(ended).toBe(true)
        // What goes on behind its caller's back loses patience, too.
        await pass(world, () => false, 3 * 60_000)
        world.host.faults.reset()
        const agree = async () => (await world.disagreements(core)).length === 0
        let agrees = false
        await pass(world, () => {
          void agree().then((now) => {
            agrees ||= now
          })
          return agrees
        })
        expect(await world.disagreements(core), `commit ${index} ${done ? 'done' : 'not done'}`).toEqual([])
        const now = await core.sandboxes.get(world.by, origin.id)
        const memory = now.state === 'paused' ? await (await core.sandboxes.resume(world.by, now.id)).done : now
        if (memory.state === 'running')
          expect(await world.ask(core, memory).catch((error) => error.code)).toMatch(/first|process_not_found/)
        await core.close()
      }
    }
  })

  it('is told of a sandbox that has ended by itself once it is back', async () => {
    const world = new World()
    const core = await world.server({ fakeTime: true })
    const { id, incarnationId } = await world.sandbox(core)
    await core.idle()
    world.host.faults.reset()
    world.host.faults.loseFrom(-1, 'ledger')
    if (incarnationId !== null) world.host.crashIncarnation(incarnationId, 'out_of_memory')
    await pass(world, () => false, 30_000)
    world.host.faults.reset()
    await pass(world, () => false, 60_000)
    expect(await core.sandboxes.get(world.by, id)).toMatchObject({
      state: 'failed',
      failure: { reason: 'out_of_memory' },
    })
    await core.close()
  })
})
