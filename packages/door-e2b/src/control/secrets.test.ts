import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ControlWorld, openControlWorld } from './testing/control-world.ts'

let world: ControlWorld
beforeAll(async () => {
  world = await openControlWorld()
})
afterAll(() => world?.[Symbol.asyncDispose]())

it('are made, changed, found by name and id, listed in pages and destroyed; values are told to nobody', async () => {
  const made = await world.post('/e2b/secrets', { name: 'api-key', value: 'sk-1', metadata: { owner: 'ana' } })
  expect(made).toMatchObject({ status: 201, body: { name: 'api-key', currentVersion: 1, metadata: { owner: 'ana' } } })
  const { secretID, createdAt } = made.body
  const changed = await world.post(`/e2b/secrets/${secretID}`, { value: 'sk-2' })
  expect(changed).toMatchObject({
    status: 200,
    body: { secretID, createdAt, currentVersion: 2, metadata: { owner: 'ana' } },
  })
  const again = await world.post('/e2b/secrets/api-key', { value: 'sk-3', metadata: {} })
  expect(again.body).toMatchObject({ currentVersion: 3, metadata: {} })
  for (const ref of [secretID, 'api-key']) expect((await world.get(`/e2b/secrets/${ref}`)).body).toEqual(again.body)
  await world.post('/e2b/secrets', { name: 'other', value: 'x' })
  const first = await world.get('/e2b/secrets?limit=1')
  expect(first.body.map(({ name }: { name: string }) => name)).toEqual(['other'])
  const rest = await world.get(`/e2b/secrets?nextToken=${first.headers.get('x-next-token')}`)
  expect([rest.body, rest.headers.get('x-next-token')]).toEqual([[again.body], null])
  expect(JSON.stringify([made, changed, again, first, rest])).not.toContain('sk-')
  expect((await world.delete('/e2b/secrets/api-key')).status).toBe(204)
  for (const ref of [secretID, 'api-key', 'no such name'])
    expect(await world.get(`/e2b/secrets/${encodeURIComponent(ref)}`)).toMatchObject({
      status: 404,
      body: { code: 404 },
    })
  expect((await world.delete('/e2b/secrets/api-key')).status).toBe(404)
  expect((await world.post('/e2b/secrets/api-key', { value: 'x' })).status).toBe(404)
})

it('refuses a name that is taken or is none, and what is no value', async () => {
  await world.post('/e2b/secrets', { name: 'taken', value: 'x' })
  for (const [body, status] of [
    [{ name: 'taken', value: 'y' }, 409],
    [{ name: 'a b', value: 'y' }, 400],
    [{ name: '', value: 'y' }, 400],
    [{ name: 'new', value: '' }, 400],
    [{ name: 'new', value: 'two\nlines' }, 400],
    [{ name: 'new', value: 'x', metadata: { a: 1 } }, 400],
  ] as const)
    expect([body, (await world.post('/e2b/secrets', body)).status]).toEqual([body, status])
})

it('a connect that gives no time brings back what is paused, and leaves what runs its own', async () => {
  const { sandboxID } = await world.sandbox({ timeout: 50 })
  const info = async () => (await world.get(`/novita/sandboxes/${sandboxID}`)).body
  const { endAt } = await info()
  expect((await world.post(`/novita/sandboxes/${sandboxID}/connect`, { timeout: 0 })).status).toBe(200)
  expect((await info()).endAt).toBe(endAt)
  await world.post(`/e2b/sandboxes/${sandboxID}/pause`)
  expect((await world.post(`/e2b/v2/sandboxes/${sandboxID}/connect`, { timeout: 0 })).status).toBe(201)
  expect(Date.parse((await info()).endAt) - Date.now()).toBeGreaterThan(200_000)
  expect((await world.post(`/e2b/sandboxes/${sandboxID}/connect`, { timeout: -1 })).status).toBe(400)
})
