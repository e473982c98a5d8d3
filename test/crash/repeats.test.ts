import { type Sandbox, Spawnpoint } from 'spawnpoint'
import { beforeAll, describe, expect, it } from 'vitest'
import { freshOrigin, origin, point, world } from './walk.ts'

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
    // As long as a server may take to come back on a busy machine.
    const retry = { repeats: 100, baseMs: 100, maxMs: 500 }
    const client = new Spawnpoint({ url: world.url, apiKey: world.key, retry })
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
    for await (const snapshot of client.snapshots.list())
      if (snapshot.id !== point.id) await snapshot.delete({ permanent: true })
  })
})

function idsBut(id: string, all: { id: string }[]): string[] {
  return all.map((one) => one.id).filter((other) => other !== id)
}
