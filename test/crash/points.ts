import { World } from '../../packages/core/test/world.ts'

type Run = (
  world: World,
  core: Awaited<ReturnType<World['server']>>,
  origin: Awaited<ReturnType<World['sandbox']>>,
) => Promise<unknown>

async function pointOf(...[world, core, origin]: Parameters<Run>): Promise<string> {
  return (await (await core.snapshots.create(world.by, origin.id, { kind: 'memory' })).done).id
}

/** Each scenario on the fakes: the same core passes the same points there, in milliseconds. */
const RUNS: Record<string, Run> = {
  'image build': async (w, c) =>
    (await c.images.build(w.by, { name: 'small', source: { type: 'tar', path: 'small.tar' } })).done,
  recipe: async (w, c) => {
    const steps = [{ type: 'run' as const, command: 'echo x > x' }]
    const source = { type: 'recipe' as const, from: 'base', steps, startCommand: 'sleep 100', readyCommand: 'true' }
    await (await c.images.build(w.by, { name: 'small', source })).done
  },
  'delete an image': async (w, c) => {
    const image = await (await c.images.build(w.by, { name: 'small', source: { type: 'tar', path: 'small.tar' } })).done
    await c.images.delete(w.by, image.id)
  },
  create: async (w, c) => (await c.sandboxes.create(w.by, { image: 'base' })).done,
  spawn: async (w, c, o) => {
    const snapshot = await (await c.snapshots.create(w.by, o.id, { kind: 'memory' })).done
    await (await c.sandboxes.create(w.by, { snapshot: snapshot.id })).done
  },
  'memory snapshot': async (w, c, o) => (await c.snapshots.create(w.by, o.id, { kind: 'memory' })).done,
  'filesystem snapshot': async (w, c, o) => (await c.snapshots.create(w.by, o.id, { kind: 'filesystem' })).done,
  'delete a snapshot': async (w, c, o) => {
    const snapshot = await (await c.snapshots.create(w.by, o.id, { kind: 'filesystem' })).done
    await c.snapshots.delete(w.by, snapshot.id, { permanent: true })
  },
  pause: async (w, c, o) => (await c.sandboxes.pause(w.by, o.id)).done,
  resume: async (w, c, o) => {
    await (await c.sandboxes.pause(w.by, o.id)).done
    await (await c.sandboxes.resume(w.by, o.id)).done
  },
  fork: async (w, c, o) => (await c.sandboxes.fork(w.by, o.id, { count: 2, mode: 'all_or_nothing' })).done,
  'roll back': async (w, c, o) => {
    const snapshot = await (await c.snapshots.create(w.by, o.id, { kind: 'memory' })).done
    await (await c.sandboxes.rollback(w.by, o.id, { snapshot: snapshot.id })).done
  },
  stop: async (w, c, o) => (await c.sandboxes.stop(w.by, o.id)).done,
  start: async (w, c, o) => {
    await (await c.sandboxes.stop(w.by, o.id)).done
    await (await c.sandboxes.start(w.by, o.id)).done
  },
  kill: (w, c, o) => c.sandboxes.kill(w.by, o.id),
  'check a snapshot': async (w, c, o) => (await c.snapshots.check(w.by, await pointOf(w, c, o))).done,
  'drill a snapshot': async (w, c, o) =>
    (await c.snapshots.drill(w.by, await pointOf(w, c, o), { probe: ['true'], timeoutMs: 10_000 })).done,
  'push a snapshot': async (w, c, o) =>
    (await c.archives.pushSnapshot(w.by, await pointOf(w, c, o), { reference: 'oci:point' })).done,
  'pull a snapshot': async (w, c, o) => {
    await (await c.archives.pushSnapshot(w.by, await pointOf(w, c, o), { reference: 'oci:point' })).done
    await (await c.archives.pullSnapshot(w.by, { reference: 'oci:point' })).done
  },
}

/** The named points that the scenario passes, in order, each once. */
export async function pointsOf(scenario: string, kinds: readonly string[]): Promise<string[]> {
  const world = new World()
  await using core = await world.server()
  const origin = await world.sandbox(core)
  await core.idle()
  world.points.length = 0
  await RUNS[scenario]?.(world, core, origin)
  await core.idle()
  const passed = world.points.filter((name) => kinds.some((kind) => name.startsWith(`${kind}.`)))
  return [...new Set(passed)]
}
