import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ControlWorld, openControlWorld } from './testing/control-world.ts'

let world: ControlWorld
beforeAll(async () => {
  world = await openControlWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

it('shows a key that may read nothing that opens more, and refuses the rest', async () => {
  const { sandboxID, envdAccessToken } = await world.sandbox({ secure: true })
  expect(envdAccessToken).toMatch(/^[0-9a-f]{64}$/)
  const { secret } = await world.core.keys.create(world.by, { name: 'r', scopes: ['read'] })
  const reader = { 'x-api-key': secret }
  const detail = await world.get(`/e2b/sandboxes/${sandboxID}`, reader)
  expect(detail.body).toMatchObject({ sandboxID, domain: expect.any(String) })
  expect(detail.body).not.toHaveProperty('envdAccessToken')
  expect((await world.get(`/e2b/sandboxes/${sandboxID}`)).body.envdAccessToken).toBe(envdAccessToken)
  for (const refused of [
    await world.post('/e2b/v2/sandboxes', { templateID: 'base' }, reader),
    await world.post(`/e2b/sandboxes/${sandboxID}/connect`, { timeout: 60 }, reader),
    await world.delete(`/e2b/sandboxes/${sandboxID}`, undefined, reader),
    await world.get(`/e2b/templates/base/files/${'0'.repeat(64)}`, reader),
  ])
    expect([refused.status, refused.body]).toEqual([403, { code: 403, message: "The API key lacks the scope 'write'" }])
})

it('tells Novita’s clients the limits of the team, and all of a used-up one that it is', async () => {
  await world.core.teams.update(world.by, 'default', { limits: { sandboxes: 1, cpus: 8, memoryBytes: 2 ** 33 } })
  const { body } = await world.get('/novita/sandboxes/quota')
  expect(body.limit).toMatchObject({ concurrentInstances: 1, concurrentVcpu: 8, concurrentRamMb: 8192 })
  expect(body.usage).toMatchObject({ concurrentInstances: 1 })
  for (const path of ['/e2b/v2/sandboxes', '/novita/sandboxes']) {
    const refused = await world.post(path, { templateID: 'base' })
    // Nothing says when to try again: to wait is not the remedy.
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([429, 429, null])
  }
})
