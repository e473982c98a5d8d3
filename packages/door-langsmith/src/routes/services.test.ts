import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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

describe('with a domain', () => {
  let other: DoorWorld
  beforeEach(async () => {
    other = await openDoorWorld('sbx.test:8443')
  })
  afterEach(() => other[Symbol.asyncDispose]())

  const file = async () => {
    const { id } = await other.box()
    const body = new FormData()
    body.append('file', new Blob(['<p>hi']), 'file')
    await other.send('POST', `/${id}/upload?path=/a.html`, { body })
    await other.send('POST', `/${id}/upload?path=/b.html`, { body })
    return async (path: string, more: object = {}) => {
      const answer = await other.post(`/boxes/${id}/download-url`, { path, ...more })
      return { status: answer.status, at: answer.status === 200 ? new URL(answer.body.download_url) : new URL('none:') }
    }
  }
  /** As a browser that finds these hosts here. */
  const follow = async ({ pathname, search }: URL, host: string) => {
    const asked = request(`${other.url}${pathname}${search}`, { headers: { host }, setHost: false }).end()
    const [answer]: IncomingMessage[] = await once(asked, 'response')
    if (answer === undefined) throw new Error('no answer')
    return { status: answer.statusCode, policy: answer.headers['content-security-policy'], text: await text(answer) }
  }

  it('each file has a host of its own, and there the origin that its link gives it', async () => {
    const link = await file()
    const plain = await link('/a.html')
    const { at } = await link('/a.html', { csp_sandbox: false, csp_source_bundles: ['any'] })
    expect(at.host).toMatch(/^file-[0-9a-f]{32}\.sbx\.test:8443$/)
    expect(plain.at.host).toBe(at.host)
    const got = await follow(at, at.host.toUpperCase())
    expect(got).toEqual({ status: 200, policy: undefined, text: '<p>hi' })
    const same = await link('/a.html', { csp_sandbox_flags: ['allow-same-origin', 'allow-scripts'] })
    expect((await follow(same.at, at.hostname)).policy).toMatch(
      /^sandbox allow-same-origin allow-scripts; default-src 'self'/,
    )
    const bundled = await link('/a.html', { csp_sandbox: false, csp_source_bundles: ['none'] })
    expect((await follow(bundled.at, at.host)).policy).toMatch(/^default-src 'self'/)
    expect((await link('/a.html', { csp_sandbox: false, csp_sandbox_flags: [] })).status).toBe(422)
  })

  it('it has none at the host of the server or of another file', async () => {
    const link = await file()
    const { at } = await link('/a.html', { csp_sandbox: false })
    const others = await link('/b.html')
    expect(others.at.host).not.toBe(at.host)
    for (const host of [new URL(other.url).host, others.at.host, 'sbx.test:8443', '']) {
      const refused = await follow(at, host)
      expect([host, refused.status, refused.text]).toEqual([host, 401, expect.stringContaining('its own host')])
    }
    // What has no origin is the same wherever it comes from.
    expect((await follow(others.at, new URL(other.url).host)).policy).toBe('sandbox')
  })
})
