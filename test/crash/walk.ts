import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Sandbox, Snapshot } from 'spawnpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from '../e2e/world.ts'
import { pointsOf } from './points.ts'

/**
 * A real server is killed at every named point of every operation and started again: running sandboxes have kept their
 * memory, ready snapshots start, what was under way is finished or undone, and nothing is left over.
 */
export interface Scenario {
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

/** One for all tests of a file */
export let world: World
export let origin: Sandbox
/** A snapshot taken of it before anything happened */
export let point: Snapshot
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

export async function freshOrigin(): Promise<void> {
  for await (const sandbox of world.client.sandboxes.list()) await sandbox.kill()
  for await (const snapshot of world.client.snapshots.list()) await snapshot.delete({ permanent: true })
  origin = await world.client.sandboxes.create({ image: 'base' })
  await startHolder(origin)
  point = await origin.snapshot({ kind: 'memory' })
}

/** Walks the points of these, each on the real machine. */
export async function walk(scenarios: Scenario[]): Promise<void> {
  for (const scenario of scenarios) {
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
}

async function check(scenario: Scenario): Promise<void> {
  origin = await world.client.sandboxes.get(origin.id)
  point = await world.client.snapshots.get(point.id)
  // Before anything is asked of the new server: it has not made anything ahead yet.
  await expect.poll(held).toEqual(await expected())
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
    await snapshot.delete({ permanent: true })
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
