import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
beforeAll(async () => {
  world = await openDoorWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const NONE = { sandboxes: null, cpus: null, memoryBytes: null }

/** The clients tell quotas apart by these words, the first that fits. */
function quotaType(message: string): string | null {
  const said = message.toLowerCase()
  if (said.includes('sandbox') && (said.includes('count') || said.includes('limit'))) return 'sandbox_count'
  return ['cpu', 'memory', 'storage'].find((word) => said.includes(word)) ?? null
}

it.each([
  ['sandboxes', 'sandbox_count'],
  ['cpus', 'cpu'],
  ['memoryBytes', 'memory'],
] as const)('says that the quota of %s is used up in words that clients know', async (limit, type) => {
  await world.core.teams.update(world.by, 'default', { limits: { ...NONE, [limit]: 0 } })
  const refused = await world.post('/boxes', {})
  expect([refused.status, refused.body.detail.error]).toEqual([429, 'QuotaExceeded'])
  expect(quotaType(refused.body.detail.message)).toBe(type)
})

it('says so of storage when a box is captured', async () => {
  await world.core.teams.update(world.by, 'default', { limits: NONE })
  const { id, name } = await world.box()
  await world.core.teams.update(world.by, 'default', { limits: { storageBytes: 0 } })
  const refused = await world.post(`/boxes/${name}/snapshot`, { name: 'point' })
  expect([refused.status, quotaType(refused.body.detail.message)]).toEqual([429, 'storage'])
  await world.core.sandboxes.kill(world.by, id)
})

it('refuses a key that may only read what changes something', async () => {
  const { secret } = await world.core.keys.create(world.by, { name: 'r', scopes: ['read'] })
  const headers = { 'x-api-key': secret, 'content-type': 'application/json' }
  expect((await world.send('GET', '/boxes', { headers })).status).toBe(200)
  const refused = await world.send('POST', '/boxes', { headers, body: '{}' })
  expect([refused.status, refused.body.detail.error]).toEqual([403, 'Forbidden'])
})
