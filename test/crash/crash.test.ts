import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Sandbox, type Snapshot, Spawnpoint } from 'spawnpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from '../e2e/world.ts'
import { pointsOf } from './points.ts'

/**
 * A real server is killed at every named point of every operation and started again: running sandboxes have kept their
 * memory, ready snapshots start, what was under way is finished or undone, and nothing is left over.
 */
interface Scenario {
  name: string
  /** Kinds of operation whose points are walked */
  kinds: string[]
  /** Points between those, in the pool */
  also?: string[]
  prepare?(origin: Sandbox): Promise<unknown>
  run(world: World, origin: Sandbox, point: Snapshot): Promise<unknown>
  /** States the origin may be in afterwards */
  after: string[]
}

/** Built in a moment. */
const buildSmall = (w: World) => w.client.images.build({ name: 'small', source: { type: 'tar', path: 'small.tar' } })

const SCENARIOS: Scenario[] = [
  {
    name: 'image build',
    kinds: ['image.build'],
    also: ['pool.createImage.staged', 'pool.createImage.filled', 'pool.createImage.synced'],
    run: buildSmall,
    after: ['running'],
  },
  {
    name: 'delete an image',
    kinds: ['image.delete'],
    run: async (w) => w.client.images.delete((await buildSmall(w)).id),
    after: ['running'],
  },
  {
    name: 'create',
    kinds: ['sandbox.create'],
    run: (w) => w.client.sandboxes.create({ image: 'base' }),
    after: ['running'],
  },
  { name: 'spawn', kinds: ['sandbox.create'], run: (_w, _o, point) => point.spawn(), after: ['running'] },
  {
    name: 'memory snapshot',
    kinds: ['snapshot.create'],
    run: (_w, o) => o.snapshot({ kind: 'memory' }),
    after: ['running'],
  },
  {
    name: 'filesystem snapshot',
    kinds: ['snapshot.create'],
    run: (_w, o) => o.snapshot({ kind: 'filesystem' }),
    after: ['running'],
  },
  {
    name: 'delete a snapshot',
    kinds: ['snapshot.delete'],
    run: async (_w, o) => (await o.snapshot({ kind: 'filesystem' })).delete(),
    after: ['running'],
  },
  { name: 'pause', kinds: ['sandbox.pause'], run: (_w, o) => o.pause(), after: ['running', 'paused'] },
  {
    name: 'resume',
    kinds: ['sandbox.resume'],
    prepare: (o) => o.pause(),
    run: (_w, o) => o.resume(),
    after: ['paused', 'running'],
  },
  { name: 'fork', kinds: ['sandbox.fork'], run: (_w, o) => o.fork(2), after: ['running'] },
  { name: 'roll back', kinds: ['sandbox.rollback'], run: (_w, o, point) => o.rollback(point), after: ['running'] },
  { name: 'stop', kinds: ['sandbox.stop'], run: (_w, o) => o.stop(), after: ['stopped', 'running'] },
  {
    name: 'start',
    kinds: ['sandbox.start'],
    prepare: (o) => o.stop(),
    run: (_w, o) => o.start(),
    after: ['stopped', 'running'],
  },
  { name: 'kill', kinds: ['sandbox.kill'], run: (_w, o) => o.kill(), after: ['killed', 'running'] },
]

let world: World
let origin: Sandbox
let point: Snapshot
beforeAll(async () => {
  // No repeats: a call that its server did not live to answer must not be made again to the next one.
  world = await World.start({ repeats: 0 })
  execFileSync('tar', [
    '--create',
    '--file',
    join(world.dataDir, 'imports/small.tar'),
    '--directory',
    import.meta.dirname,
    '.',
  ])
})
afterAll(() => world[Symbol.asyncDispose]())

/** Keeps a word in memory; whoever connects gets it. */
const HOLDER = `import socket
word = b'kept in memory\\n'
listener = socket.create_server(('127.0.0.1', 9000))
print('ready', flush=True)
while True:
    connection, _ = listener.accept()
    with connection: connection.sendall(word)`

async function startHolder(sandbox: Sandbox): Promise<void> {
  const holder = await sandbox.processes.start(['python3', '-c', HOLDER])
  for await (const output of holder) if (output.type === 'data') return
  throw new Error('the holder ended')
}

async function word(sandbox: Sandbox): Promise<string> {
  return (await sandbox.run(['timeout', '10', 'bash', '-c', 'cat < /dev/tcp/127.0.0.1/9000'])).stdout
}

async function freshOrigin(): Promise<void> {
  for await (const sandbox of world.client.sandboxes.list()) await sandbox.kill()
  for await (const snapshot of world.client.snapshots.list()) await snapshot.delete()
  origin = await world.client.sandboxes.create({ image: 'base' })
  await startHolder(origin)
  point = await origin.snapshot({ kind: 'memory' })
}

for (const scenario of SCENARIOS) {
  const points = [...(await pointsOf(scenario.name, scenario.kinds)), ...(scenario.also ?? [])]
  describe(`killed during ${scenario.name}`, () => {
    beforeAll(freshOrigin)

    it.each(points)('at %s: comes back with everything and leaves nothing', async (name) => {
      await scenario.prepare?.(origin)
      world.crashAt(name)
      expect(await world.diedDuring(scenario.run(world, origin, point)), 'the point was not reached').toBe(true)
      await world.startServer()
      await check(scenario)
    })

    it('and the snapshot taken before it still starts', spawns)
  })
}

/** As the SDK does by itself: the same call with the same key, to the server that has come back. */
describe('a call repeated to the next server', () => {
  const calls: Record<string, (sandbox: Sandbox, client: Spawnpoint) => Promise<string[]>> = {
    create: async (_o, client) => [(await client.sandboxes.create({ image: 'base' })).id],
    fork: async (o) => (await o.fork(2)).map((child) => child.id),
    snapshot: async (o) => [(await o.snapshot({ kind: 'filesystem' })).id],
  }
  const made: Record<string, () => Promise<string[]>> = {
    create: async () => idsBut(origin.id, await Array.fromAsync(world.client.sandboxes.list())),
    fork: async () => idsBut(origin.id, await Array.fromAsync(world.client.sandboxes.list())),
    snapshot: async () => idsBut(point.id, await Array.fromAsync(world.client.snapshots.list({ states: ['ready'] }))),
  }
  beforeAll(freshOrigin)

  it.each([
    ['create', 'sandbox.create.claimed'],
    ['create', 'sandbox.create.identify'],
    ['create', 'sandbox.create.done:after'],
    ['fork', 'sandbox.fork.child'],
    ['fork', 'sandbox.fork.done:after'],
    ['snapshot', 'snapshot.create.resume'],
    ['snapshot', 'snapshot.create.done:after'],
  ])('is done once: %s, killed at %s', async (name, at) => {
    const client = new Spawnpoint({ url: world.url, apiKey: world.key })
    const sandbox = await client.sandboxes.get(origin.id)
    world.crashAt(at)
    const answer = calls[name]?.(sandbox, client)
    expect(await world.diedDuring(answer as Promise<unknown>), 'the point was not reached').toBe(true)
    await world.startServer()
    expect((await answer)?.toSorted()).toEqual((await made[name]?.())?.toSorted())
    for (const id of idsBut(origin.id, await Array.fromAsync(client.sandboxes.list()))) {
      const one = await client.sandboxes.get(id)
      expect((await one.run('echo alive')).stdout).toBe('alive\n')
      await one.kill()
    }
    for await (const snapshot of client.snapshots.list()) if (snapshot.id !== point.id) await snapshot.delete()
  })
})

function idsBut(id: string, all: { id: string }[]): string[] {
  return all.map((one) => one.id).filter((other) => other !== id)
}

async function check(scenario: Scenario): Promise<void> {
  origin = await world.client.sandboxes.get(origin.id)
  point = await world.client.snapshots.get(point.id)
  // Before anything is asked of the new server: it has not made anything ahead yet.
  await expect.poll(held, { timeout: 10_000 }).toEqual(await expected())
  expect(scenario.after).toContain(origin.state)
  expect(point.state).toBe('ready')
  // Whoever was never told of a new sandbox must not find one running.
  const listed = await Array.fromAsync(world.client.sandboxes.list())
  const others = listed.filter((sandbox) => sandbox.id !== origin.id)
  for (const sandbox of others) {
    expect(sandbox.state).toBe('running') // finished after the point: acknowledged or not, it is whole
    expect((await sandbox.run('echo alive')).stdout).toBe('alive\n')
    await sandbox.kill()
  }
  if (origin.state === 'paused') await origin.resume()
  if (origin.state === 'killed' || origin.state === 'stopped' || scenario.name === 'start') {
    if (origin.state === 'stopped') expect((await (await origin.start()).run('echo files')).stdout).toBe('files\n')
    await freshOrigin()
  } else {
    expect(await word(origin)).toBe('kept in memory\n')
  }
  for await (const image of world.client.images.list({ name: 'small' })) {
    expect(['ready', 'failed']).toContain(image.state)
    await world.client.images.delete(image.id)
  }
  for await (const snapshot of world.client.snapshots.list()) {
    if (snapshot.id === point.id) continue
    expect(['ready', 'failed']).toContain(snapshot.state)
    await snapshot.delete()
  }
}

/** The snapshot taken before all of it starts as ever. */
async function spawns(): Promise<void> {
  const spawned = await point.spawn()
  expect(await word(spawned)).toBe('kept in memory\n')
  await spawned.kill()
}

/** What is on the machine, by looking rather than asking. */
async function held() {
  const pool = join(world.dataDir, 'pool')
  const open = await Array.fromAsync(world.client.operations.list({ states: ['open'] }))
  return {
    images: readdirSync(join(pool, 'images')).length,
    roots: readdirSync(join(pool, 'roots')).length,
    snapshots: readdirSync(join(pool, 'snapshots')).length,
    sandboxes: world.incarnations().length,
    open: open.length,
  }
}

/** What should be there, by what the API tells. */
async function expected(): Promise<Awaited<ReturnType<typeof held>>> {
  const sandboxes = await Array.fromAsync(world.client.sandboxes.list())
  const snapshots = await Array.fromAsync(world.client.snapshots.list())
  const images = await Array.fromAsync(world.client.images.list({ states: ['ready'] }))
  const count = (...states: string[]) => sandboxes.filter((sandbox) => states.includes(sandbox.state)).length
  return {
    images: images.length,
    roots: count('running', 'stopped', 'failed'),
    snapshots: snapshots.filter((snapshot) => snapshot.state === 'ready').length + count('paused'),
    sandboxes: count('running'),
    open: 0,
  }
}
