import type { Guest } from '@spawnpoint/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RpcCall } from './rpc-call.ts'
import { type EnvdWorld, openEnvdWorld } from './testing/envd-world.ts'
import { Watchers } from './watchers.ts'

let world: EnvdWorld
beforeAll(async () => {
  world = await openEnvdWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const REQUEST = { path: '/tmp', recursive: false, includeEntry: false }

/** Calls of a sandbox, with what comes to wait for the end of its guest. */
async function callTo(id: string) {
  const { sandbox, guest } = await world.core.sandboxes.guest(world.by, id)
  let waiting = 0
  const { gone } = guest
  const counted: Guest = new Proxy(guest, {
    get(target, name) {
      if (name === 'gone') {
        waiting += 1
        return gone
      }
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const call = { user: undefined, guest: async () => ({ sandbox, guest: counted }) } as unknown as RpcCall
  return { call, sandbox, gone, waiting: () => waiting }
}

it('watchers leave nothing behind at their sandbox when they are removed', async () => {
  const watchers = new Watchers()
  const { call, sandbox, waiting } = await callTo((await world.sandbox()).id)
  for (let count = 0; count < 20; count += 1) watchers.remove(await watchers.create(REQUEST, call), sandbox.id)
  expect(waiting()).toBe(1)
})

it('all watchers of a sandbox end with it, and those of others do not', async () => {
  const watchers = new Watchers()
  const [one, other] = [await callTo((await world.sandbox()).id), await callTo((await world.sandbox()).id)]
  const ended = [await watchers.create(REQUEST, one.call), await watchers.create(REQUEST, one.call)]
  const stays = await watchers.create(REQUEST, other.call)
  await world.core.sandboxes.kill(world.by, one.sandbox.id)
  await one.gone
  for (const id of ended) expect(() => watchers.remove(id, one.sandbox.id)).toThrow('not found')
  watchers.remove(stays, other.sandbox.id)
})
