import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

it('tells which ports are shared, until their tokens are over or they are not shared any more', async () => {
  const { id } = await world.box({ labels: { own: 'label' } })
  const shares = async () => (await world.get(`/boxes/${id}/service-urls`)).body
  expect(await shares()).toEqual({ items: [], next_cursor: null })
  const share = (port: number, more: object = {}) => world.post(`/boxes/${id}/service-url`, { port, ...more })
  const { body } = await share(8080, { expires_in_seconds: 60, access: 'off' })
  await share(80)
  const { items } = await shares()
  const common = { access: 'token', created_by: world.by.keyId, created_at: expect.any(String) }
  expect(items).toEqual([
    { ...common, port: 80, expires_at: expect.any(String) },
    { ...common, port: 8080, expires_at: body.expires_at },
  ])
  // The later of two tokens counts, and who shared first.
  const later = await share(8080)
  expect((await shares()).items[1]).toEqual({ ...items[1], expires_at: later.body.expires_at })
  expect((await world.delete(`/boxes/${id}/service-urls?port=8080`)).status).toBe(204)
  expect((await shares()).items).toHaveLength(1)
  expect((await world.get(`/boxes/${id}`)).body.labels).toEqual({ own: 'label' })
  expect((await world.delete(`/boxes/${id}/service-urls`)).status).toBe(204)
  expect((await shares()).items).toEqual([])
  expect((await world.core.sandboxes.get(world.by, id)).labels).not.toHaveProperty('langsmith.service.80')
  expect((await world.delete(`/boxes/${id}/service-urls?port=0`)).status).toBe(422)
  expect((await world.get('/boxes/none/service-urls')).status).toBe(404)
})

it('shares nothing that a snapshot of the box would share too', async () => {
  const box = await world.box()
  await world.post(`/boxes/${box.id}/service-url`, { port: 80 })
  const { body } = await world.post(`/boxes/${box.id}/snapshot`, { name: 'of-it' })
  await expect.poll(async () => (await world.get(`/snapshots/${body.id}`)).body.status).toBe('ready')
  const child = await world.box({ snapshot_id: body.id })
  expect((await world.get(`/boxes/${child.id}/service-urls`)).body.items).toEqual([])
})

it.each<[object, string]>([
  [{}, 'sandbox'],
  [
    { csp_sandbox_flags: ['allow-scripts', 'allow-forms'], csp_source_bundles: ['any'] },
    'sandbox allow-scripts allow-forms',
  ],
  [{ csp_source_bundles: ['none'] }, "sandbox; default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"],
  [
    { csp_source_bundles: ['unpkg'] },
    "sandbox; default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: https://unpkg.com",
  ],
])('gives a downloaded page no more than its link says: %j', async (more, policy) => {
  const { id } = await world.box()
  const body = new FormData()
  body.append('file', new Blob(['<p>hi']), 'file')
  await world.send('POST', `/${id}/upload?path=/a.html`, { body })
  const link = await world.post(`/boxes/${id}/download-url`, { path: '/a.html', ...more })
  const got = await world.send('GET', link.body.download_url, { headers: { 'x-api-key': '' } })
  expect([got.status, got.headers.get('content-security-policy')]).toEqual([200, policy])
})

it.each([
  [{ csp_sandbox: false }, 400],
  [{ csp_sandbox_flags: ['allow-same-origin'] }, 400],
  [{ csp_sandbox_flags: ['allow-all'] }, 422],
  [{ csp_source_bundles: ['none', 'unpkg'] }, 422],
])('never gives it the origin of the server: %j', async (more, status) => {
  const { id } = await world.box()
  expect((await world.post(`/boxes/${id}/download-url`, { path: '/a', ...more })).status).toBe(status)
})
