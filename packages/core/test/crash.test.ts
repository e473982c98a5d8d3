import { Readable } from 'node:stream'
import { tarOf } from '@spawnpoint/contracts'
import { describe, expect, it } from 'vitest'
import type { Core, DockerfileSource, RecipeSource, Sandbox, Snapshot } from '../src/index.ts'
import { World } from './world.ts'

/** Each operation, as a caller meets it. `prepare` is not subject to faults. */
interface Scenario {
  name: string
  prepare?(world: World, core: Core, origin: Sandbox, point: Snapshot): Promise<void>
  run(world: World, core: Core, origin: Sandbox, point: Snapshot): Promise<unknown>
  /** States the origin may be in after the server has come back */
  after: string[]
}

const RECIPE = {
  type: 'recipe',
  from: 'base',
  steps: [
    { type: 'run', command: 'echo one > one' },
    { type: 'copy', blob: 'x:a', source: 'a', destination: '/srv/' },
    { type: 'copy', fromImage: 'base', source: '/etc/hostname', destination: '/srv/' },
  ],
  startCommand: 'sleep 1000',
  readyCommand: 'true',
} satisfies RecipeSource

const DOCKERFILE = {
  type: 'dockerfile',
  context: 'x:context',
  dockerfile: `
FROM base AS build
USER root
COPY a /srv/
RUN echo one > /one
FROM registry.example/other:v1 AS unused
FROM scratch
COPY --from=build /srv /srv
COPY --from=registry.example/tool:v2 /etc/hostname /srv/
`,
} satisfies DockerfileSource

const SCENARIOS: Scenario[] = [
  {
    name: 'image.build',
    run: async (w, c) => (await c.images.build(w.by, { name: 'other', source: { type: 'tar', path: 'x.tar' } })).done,
    after: ['running'],
  },
  {
    name: 'image.delete',
    prepare: async (w, c) =>
      void (await (
        await c.images.build(w.by, { name: 'other', source: { type: 'tar', path: 'x.tar' } })
      ).done),
    run: (w, c) => c.images.delete(w.by, 'other'),
    after: ['running'],
  },
  {
    name: 'archive.push',
    run: async (w, c) => (await c.archives.pushImage(w.by, 'base', { reference: 'registry.example/app' })).done,
    after: ['running'],
  },
  {
    name: 'archive.push of what is of a registry',
    prepare: async (w, c) => {
      const source = { type: 'oci' as const, reference: 'registry.example/other:v1' }
      await (await c.images.build(w.by, { name: 'other', source })).done
    },
    run: async (w, c) => (await c.archives.pushImage(w.by, 'other', { reference: 'registry.example/app' })).done,
    after: ['running'],
  },
  {
    name: 'archive.push of a snapshot',
    run: async (w, c, _, point) =>
      (await c.archives.pushSnapshot(w.by, point.id, { reference: 'registry.example/point' })).done,
    after: ['running'],
  },
  {
    name: 'archive.pull',
    prepare: async (w, c, origin) => {
      const taken = await c.snapshots.create(w.by, origin.id, { kind: 'memory' })
      const { id } = await taken.done
      await (await c.archives.pushSnapshot(w.by, id, { reference: 'registry.example/point' })).done
    },
    run: async (w, c) => (await c.archives.pullSnapshot(w.by, { reference: 'registry.example/point' })).done,
    after: ['running'],
  },
  {
    name: 'image.build of a recipe',
    prepare: async (w, c) => {
      await c.blobs.put(w.by, 'x:a', Readable.from([tarOf([{ name: 'a', data: 'a' }])]))
    },
    run: async (w, c) => (await c.images.build(w.by, { name: 'other', source: RECIPE, tags: ['default'] })).done,
    after: ['running'],
  },
  {
    name: 'image.build on layers of an earlier one',
    prepare: async (w, c) => {
      await c.blobs.put(w.by, 'x:a', Readable.from([tarOf([{ name: 'a', data: 'a' }])]))
      await (await c.images.build(w.by, { name: 'other', source: { ...RECIPE, startCommand: undefined } })).done
    },
    run: async (w, c) => {
      const steps = [...RECIPE.steps.slice(0, 2), { type: 'run' as const, command: 'echo more', force: true }]
      const source: RecipeSource = { type: 'recipe', from: 'base', steps }
      await (await c.images.build(w.by, { name: 'other', source })).done
    },
    after: ['running'],
  },
  {
    name: 'image.build of a Dockerfile',
    prepare: async (w, c) => {
      await c.blobs.put(w.by, 'x:context', Readable.from([tarOf([{ name: 'a', data: 'a' }])]))
    },
    run: async (w, c) => (await c.images.build(w.by, { name: 'other', source: DOCKERFILE, tags: ['default'] })).done,
    after: ['running'],
  },
  {
    name: 'image.delete of one with memory',
    prepare: async (w, c) => {
      const source: RecipeSource = { type: 'recipe', from: 'base', steps: [], readyCommand: 'true' }
      await (await c.images.build(w.by, { name: 'other', source })).done
    },
    run: (w, c) => c.images.delete(w.by, 'other'),
    after: ['running'],
  },
  {
    name: 'sandbox.create of an image with memory',
    prepare: async (w, c) => {
      const source: RecipeSource = { type: 'recipe', from: 'base', steps: [], readyCommand: 'true' }
      await (await c.images.build(w.by, { name: 'other', source })).done
    },
    run: async (w, c) => (await c.sandboxes.create(w.by, { image: 'other' })).done,
    after: ['running'],
  },
  {
    name: 'sandbox.create',
    run: async (w, c) => (await c.sandboxes.create(w.by, { image: 'base', name: 'new' })).done,
    after: ['running'],
  },
  {
    name: 'sandbox.create with a remote',
    prepare: async (w) => void w.host.repositories.set('https://git.test/a.git', { files: { a: '1' } }),
    run: async (w, c) => {
      const source = { type: 'git' as const, url: 'https://git.test/a.git', ref: null }
      const remotes = [{ name: 'a', path: '/mnt/a', source }]
      return (await c.sandboxes.create(w.by, { image: 'base', remotes })).done
    },
    after: ['running'],
  },
  {
    name: 'sandbox.rollback to its origin with a remote',
    prepare: async (w, c) => {
      w.host.repositories.set('https://git.test/a.git', { files: { a: '1' } })
      const source = { type: 'git' as const, url: 'https://git.test/a.git', ref: null }
      const remotes = [{ name: 'a', path: '/mnt/a', source }]
      await (await c.sandboxes.create(w.by, { image: 'base', name: 'other', remotes })).done
    },
    run: async (w, c) => (await c.sandboxes.rollback(w.by, 'other', { origin: true })).done,
    after: ['running'],
  },
  {
    name: 'spawn',
    run: async (w, c, _o, p) => (await c.sandboxes.create(w.by, { snapshot: p.id })).done,
    after: ['running'],
  },
  {
    name: 'snapshot.create memory',
    run: async (w, c, o) => (await c.snapshots.create(w.by, o.id, { kind: 'memory' })).done,
    after: ['running'],
  },
  {
    name: 'snapshot.create filesystem',
    run: async (w, c, o) => (await c.snapshots.create(w.by, o.id, { kind: 'filesystem' })).done,
    after: ['running'],
  },
  {
    name: 'snapshot.check',
    run: async (w, c, _o, p) => (await c.snapshots.check(w.by, p.id)).done,
    after: ['running'],
  },
  {
    name: 'snapshot.drill',
    run: async (w, c, _o, p) => (await c.snapshots.drill(w.by, p.id, {})).done,
    after: ['running'],
  },
  {
    name: 'snapshot.delete',
    run: (w, c, _o, p) => c.snapshots.delete(w.by, p.id, { permanent: true }),
    after: ['running'],
  },
  {
    name: 'a snapshot into the trash and back',
    prepare: async (w, c, _o, p) => {
      await c.names.ensure(w.by, 'app')
      await c.names.tag(w.by, 'app', ['stable'], { snapshotId: p.id })
    },
    run: async (w, c, _o, p) => {
      await c.snapshots.delete(w.by, p.id)
      await c.snapshots.undelete(w.by, p.id)
    },
    after: ['running'],
  },
  {
    name: 'snapshot.delete of one in the trash',
    prepare: async (w, c, _o, p) => void (await c.snapshots.delete(w.by, p.id)),
    run: (w, c, _o, p) => c.snapshots.delete(w.by, p.id, { permanent: true }),
    after: ['running'],
  },
  {
    name: 'sandbox.pause',
    run: async (w, c, o) => (await c.sandboxes.pause(w.by, o.id)).done,
    after: ['running', 'paused'],
  },
  {
    name: 'sandbox.resume',
    prepare: async (w, c, o) => void (await (await c.sandboxes.pause(w.by, o.id)).done),
    run: async (w, c, o) => (await c.sandboxes.resume(w.by, o.id)).done,
    after: ['paused', 'running'],
  },
  {
    name: 'sandbox.resume without memory',
    prepare: async (w, c, o) => void (await (await c.sandboxes.pause(w.by, o.id)).done),
    run: async (w, c, o) => (await c.sandboxes.resume(w.by, o.id, { cold: true })).done,
    after: ['paused', 'running'],
  },
  {
    name: 'sandbox.stop',
    run: async (w, c, o) => (await c.sandboxes.stop(w.by, o.id)).done,
    after: ['running', 'stopped'],
  },
  {
    name: 'sandbox.start',
    prepare: async (w, c, o) => void (await (await c.sandboxes.stop(w.by, o.id)).done),
    run: async (w, c, o) => (await c.sandboxes.start(w.by, o.id)).done,
    after: ['stopped', 'running'],
  },
  {
    name: 'sandbox.fork',
    run: async (w, c, o) => (await c.sandboxes.fork(w.by, o.id, { count: 2, mode: 'all_or_nothing' })).done,
    after: ['running'],
  },
  {
    name: 'sandbox.rollback',
    run: async (w, c, o, p) => (await c.sandboxes.rollback(w.by, o.id, { snapshot: p.id })).done,
    after: ['running'],
  },
  {
    name: 'sandbox.rollback of a paused one',
    prepare: async (w, c, o) => void (await (await c.sandboxes.pause(w.by, o.id)).done),
    run: async (w, c, o, p) => (await c.sandboxes.rollback(w.by, o.id, { snapshot: p.id })).done,
    after: ['paused', 'running'],
  },
  {
    name: 'sandbox.rollback to the image',
    run: async (w, c, o) => (await c.sandboxes.rollback(w.by, o.id, { origin: true })).done,
    after: ['running'],
  },
  {
    name: 'sandbox.rollback of a stopped one to the image',
    prepare: async (w, c, o) => void (await (await c.sandboxes.stop(w.by, o.id)).done),
    run: async (w, c, o) => (await c.sandboxes.rollback(w.by, o.id, { origin: true })).done,
    after: ['stopped', 'running'],
  },
  {
    name: 'a use that wakes a paused one',
    prepare: async (w, c, o) => {
      await c.sandboxes.update(w.by, o.id, { timeout: { autoResume: true } })
      await (await c.sandboxes.pause(w.by, o.id)).done
    },
    run: (w, c, o) => c.sandboxes.guest(w.by, o.id),
    after: ['paused', 'running'],
  },
  {
    name: 'an environment while it runs',
    run: (w, c, o) => c.sandboxes.update(w.by, o.id, { env: { NEW: '1' } }),
    after: ['running'],
  },
  { name: 'sandbox.kill', run: (w, c, o) => c.sandboxes.kill(w.by, o.id), after: ['running', 'killed'] },
]

const UNDOING = [
  'runtime.kill',
  'pool.deleteRoot',
  'pool.deleteSnapshot',
  'pool.deleteImage',
  'runtime.resume',
  'guest.release',
  'ledger.commit',
]

async function begin(scenario: Scenario) {
  const world = new World()
  const core = await world.server()
  const origin = await world.sandbox(core)
  await world.startCounter(core, origin)
  const point = await (await core.snapshots.create(world.by, origin.id, { kind: 'memory' })).done
  await scenario.prepare?.(world, core, origin, point)
  await core.idle()
  world.host.faults.reset()
  return { world, core, origin, point }
}

/** How many calls of ports the operation makes when nothing goes wrong. */
async function callsOf(scenario: Scenario): Promise<string[]> {
  const { world, core, origin, point } = await begin(scenario)
  await scenario.run(world, core, origin, point)
  await core.idle()
  return world.host.faults.log.map((call) => call.step)
}

/** The records agree with reality, and the origin is what it was or what was asked. */
async function check(scenario: Scenario, world: World, origin: Sandbox, fault: string): Promise<void> {
  await using core = await world.server()
  expect(await world.disagreements(core), `${scenario.name}, ${fault}`).toEqual([])
  const now = await core.sandboxes.get(world.by, origin.id)
  expect(scenario.after, `${scenario.name}, ${fault}`).toContain(now.state)
  if (now.state === 'running')
    expect(await world.ask(core, now).catch((error) => error.code)).toMatch(/first|process_not_found/)
  if (now.state === 'paused') {
    const resumed = await (await core.sandboxes.resume(world.by, origin.id)).done
    expect(await world.ask(core, resumed)).toBe('first')
  }
}

describe.each(SCENARIOS)('$name', (scenario) => {
  it('leaves nothing behind when the server dies at any call, before, in or after it', async () => {
    const calls = await callsOf(scenario)
    expect(calls.length).toBeGreaterThan(2)
    for (const [index, step] of calls.entries()) {
      for (const when of ['before', 'during', 'after'] as const) {
        const { world, core, origin, point } = await begin(scenario)
        world.host.faults.crashCall(index, when)
        await scenario.run(world, core, origin, point).catch(() => {}) // its server is dead
        await core.idle()
        if (!world.host.faults.log.some((call) => call.index === index)) continue
        world.host.faults.crash()
        await check(scenario, world, origin, `died ${when} call ${index} (${step})`)
      }
    }
  })

  it('leaves nothing behind when any call fails', async () => {
    const calls = await callsOf(scenario)
    for (const [index, step] of calls.entries()) {
      const { world, core, origin, point } = await begin(scenario)
      world.host.faults.failCall(index)
      await scenario.run(world, core, origin, point).catch(() => {}) // whether it fails is the operation's affair
      await core.idle()
      // Undone at once, by the server that met the failure; only a step that undoes may be left to the next start.
      if (!UNDOING.includes(step)) {
        expect(await world.disagreements(core), `${scenario.name}, failed call ${index} (${step})`).toEqual([])
      }
      world.host.faults.crash()
      await check(scenario, world, origin, `failed call ${index} (${step})`)
    }
  })

  it('is settled again when the server dies while settling', async () => {
    const calls = await callsOf(scenario)
    const index = Math.floor(calls.length / 2)
    for (let recoveryCall = 0; recoveryCall < 40; recoveryCall += 1) {
      const { world, core, origin, point } = await begin(scenario)
      world.host.faults.crashCall(index, 'after')
      await scenario.run(world, core, origin, point).catch(() => {}) // its server is dead
      await core.idle()
      world.host.faults.crash()
      world.host.faults.reset()
      world.host.faults.crashCall(recoveryCall, 'after')
      const second = await world.server().catch(() => null)
      if (second !== null) {
        // Settling took fewer calls than that: all have been tried.
        await second.idle()
        break
      }
      world.host.faults.reset()
      await check(scenario, world, origin, `died at recovery call ${recoveryCall}`)
    }
  })
})
