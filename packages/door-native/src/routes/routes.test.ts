import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DoorWorld, jsonOf, openDoorWorld, seen } from '../testing/door-world.ts'

let world: DoorWorld
beforeAll(async () => {
  world = await openDoorWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

describe('sandboxes', () => {
  it('are made, found, changed and killed', async () => {
    const created = await world.post('/sandboxes', {
      image: 'base',
      name: 'one',
      env: { A: '1' },
      labels: { team: 'x:y' },
    })
    const sandbox = await jsonOf(created)
    expect(created.status).toBe(201)
    expect(created.headers.get('location')).toBe(`/v1/sandboxes/${sandbox.id}`)
    expect(created.headers.get('spawnpoint-operation')).toMatch(/^[0-9a-f]{24}$/)
    expect(sandbox).toMatchObject({
      name: 'one',
      state: 'running',
      env: { A: '1' },
      labels: { team: 'x:y' },
      image: { name: 'base' },
    })
    expect(sandbox).not.toHaveProperty('rootId')

    expect(await seen(await world.get('/sandboxes/one'))).toEqual([200, sandbox])
    expect(await seen(await world.get(`/sandboxes/${sandbox.id}`))).toEqual([200, sandbox])
    for (const query of ['', '?name=one', '?label=team:x:y', '?image=base', '?state=running&state=paused']) {
      expect((await jsonOf(await world.get(`/sandboxes${query}`))).items).toEqual([sandbox])
    }
    for (const query of ['?name=two', '?label=team:x', '?state=paused']) {
      expect((await jsonOf(await world.get(`/sandboxes${query}`))).items).toEqual([])
    }
    expect(await seen(await world.post('/sandboxes', { image: 'base', name: 'one' }))).toMatchObject([
      409,
      { code: 'name_taken' },
    ])

    const patch = { name: null, labels: {}, timeout: { timeoutMs: 60_000 }, network: { internet: false } }
    const headers = { 'content-type': 'application/json' }
    const patched = await world.call('PATCH', '/sandboxes/one', { headers, body: JSON.stringify(patch) })
    expect(await seen(patched)).toMatchObject([200, { name: null, labels: {}, network: { internet: false } }])

    const secret = { name: 'api', hosts: ['api.example.com'], headers: [{ name: 'X-Key', value: 'never told' }] }
    const change = (rule: object) => ({ headers, body: JSON.stringify({ credentials: [rule] }) })
    const shown = { name: 'api', headers: [{ name: 'X-Key', value: null, secret: true }] }
    const given = await seen(await world.call('PATCH', `/sandboxes/${sandbox.id}`, change(secret)))
    expect(given).toMatchObject([200, { credentials: [shown] }])
    const kept = { ...secret, headers: [{ name: 'X-Key' }] }
    const again = await seen(await world.call('PATCH', `/sandboxes/${sandbox.id}`, change(kept)))
    expect(again).toMatchObject([200, { credentials: [shown] }])
    const elsewhere = { ...kept, hosts: ['elsewhere.example.com'] }
    expect(await seen(await world.call('PATCH', `/sandboxes/${sandbox.id}`, change(elsewhere)))).toMatchObject([
      400,
      { code: 'invalid_argument' },
    ])
    expect(JSON.stringify([given, again])).not.toContain('never told')

    const [, metrics] = await seen(await world.get(`/sandboxes/${sandbox.id}/metrics`))
    expect(metrics).toMatchObject({ resources: { cpus: 1 }, inside: null })
    const [, more] = await seen(await world.get(`/sandboxes/${sandbox.id}/metrics?inside=true`))
    expect(more.inside.memoryTotalBytes).toBe(2 ** 30)

    expect(await seen(await world.call('DELETE', `/sandboxes/${sandbox.id}`))).toEqual([204, null])
    expect(await seen(await world.call('DELETE', `/sandboxes/${sandbox.id}`))).toMatchObject([
      404,
      { code: 'not_found' },
    ])
  })

  it('go through their lives', async () => {
    const id = await world.sandbox()
    for (const [verb, state] of [
      ['pause', 'paused'],
      ['resume', 'running'],
      ['stop', 'stopped'],
      ['start', 'running'],
    ]) {
      expect(await seen(await world.post(`/sandboxes/${id}/${verb}`))).toMatchObject([200, { id, state }])
    }
    await world.post(`/sandboxes/${id}/stop`)
    expect(await seen(await world.post(`/sandboxes/${id}/pause`))).toMatchObject([409, { code: 'wrong_state' }])
  })

  it('fork', async () => {
    const id = await world.sandbox()
    const [status, { items }] = await seen(
      await world.post(`/sandboxes/${id}/fork`, { count: 2, children: [{ name: 'first' }] }),
    )
    expect(status).toBe(201)
    expect(items).toMatchObject([
      { sandbox: { name: 'first', parentSandboxId: id }, error: null },
      { sandbox: { name: null, parentSandboxId: id }, error: null },
    ])
    const later = await world.post(`/sandboxes/${id}/fork?wait=false`)
    expect(await seen(later)).toMatchObject([202, { kind: 'sandbox.fork', sandboxId: id }])
  })

  it('go back to their snapshots', async () => {
    const id = await world.sandbox()
    const [, snapshot] = await seen(await world.post(`/sandboxes/${id}/snapshots`, { kind: 'filesystem' }))
    expect(await seen(await world.post(`/sandboxes/${id}/rollback`, { snapshot: snapshot.id }))).toMatchObject([
      200,
      { id, state: 'running', sourceSnapshotId: snapshot.id },
    ])
  })
})

it('says of a cursor that it is none', async () => {
  expect(await seen(await world.get('/sandboxes?cursor=none'))).toMatchObject([
    400,
    { code: 'invalid_argument', context: { issues: [{ path: 'cursor' }] } },
  ])
})

it('documents every kind of thing that may not be found', async () => {
  const { 'x-error-codes': codes } = await jsonOf(await fetch(`http://127.0.0.1:${world.port}/v1/openapi.json`))
  expect(codes.not_found.context.properties.resource.enum).toEqual(
    expect.arrayContaining(['sandbox', 'secret', 'volume', 'remote']),
  )
})

describe('snapshots', () => {
  it('are given another environment and disk than the sandbox has', async () => {
    const id = await world.sandbox()
    const { env, resources } = await jsonOf(await world.get(`/sandboxes/${id}`))
    const diskBytes = resources.diskBytes * 2
    const asked = { env: { ...env, A: '1' }, resources: { diskBytes } }
    expect(await seen(await world.post(`/sandboxes/${id}/snapshots`, asked))).toMatchObject([
      201,
      { env: asked.env, resources: { ...resources, diskBytes } },
    ])
    expect(
      await seen(await world.post(`/sandboxes/${id}/snapshots`, { resources: { diskBytes: resources.diskBytes - 1 } })),
    ).toMatchObject([400, { code: 'invalid_argument', context: { issues: [{ path: 'resources.diskBytes' }] } }])
  })

  it('are taken, found, changed, spawned from and deleted', async () => {
    const id = await world.sandbox()
    const taken = await world.post(`/sandboxes/${id}/snapshots`, {
      name: 'point',
      labels: { a: 'b' },
      ttlMs: 3_600_000,
    })
    const snapshot = await jsonOf(taken)
    expect(taken.status).toBe(201)
    expect(taken.headers.get('location')).toBe(`/v1/snapshots/${snapshot.id}`)
    expect(snapshot).toMatchObject({
      kind: 'memory',
      state: 'ready',
      sandboxId: id,
      parentId: null,
      receipt: { consistency: expect.any(String) },
    })

    for (const ref of ['point', snapshot.id, `point@${snapshot.id}`, encodeURIComponent(`point@${snapshot.id}`)]) {
      expect((await jsonOf(await world.get(`/snapshots/${ref}`))).id).toBe(snapshot.id)
    }
    for (const path of [
      `/snapshots?sandbox=${id}`,
      `/sandboxes/${id}/snapshots`,
      '/snapshots?nameContains=OIN&label=a:b&kind=memory',
    ]) {
      expect((await jsonOf(await world.get(path))).items).toEqual([snapshot])
    }
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ ttlMs: null, labels: {} })
    expect(await seen(await world.call('PATCH', '/snapshots/point', { headers, body }))).toMatchObject([
      200,
      { expiresAt: null, labels: {} },
    ])

    const [status, child] = await seen(await world.post('/snapshots/point/spawn'))
    expect([status, child.sourceSnapshotId, child.generation]).toEqual([201, snapshot.id, 1])
    expect(await seen(await world.post('/snapshots/point/spawn', { image: 'base' }))).toMatchObject([
      400,
      { code: 'invalid_argument' },
    ])
    expect((await jsonOf(await world.get('/sandboxes?snapshot=point'))).items).toMatchObject([{ id: child.id }])

    expect(await seen(await world.call('DELETE', '/snapshots/point?ifUnused=true'))).toMatchObject([
      409,
      { code: 'in_use' },
    ])
    expect((await world.call('DELETE', '/snapshots/point?permanent=true')).status).toBe(204)
    expect((await world.get(`/snapshots/${snapshot.id}`)).status).toBe(404)
  })
})

describe('images', () => {
  it('are built, found and deleted', async () => {
    const source = { type: 'debian', suite: 'bookworm', packages: ['git'] }
    const [status, image] = await seen(
      await world.post('/images', { name: 'tools', source, defaults: { env: { A: 'b' } } }),
    )
    expect([status, image.state, image.defaults.env]).toEqual([201, 'ready', { A: 'b' }])
    expect((await jsonOf(await world.get('/images/tools'))).id).toBe(image.id)
    expect((await jsonOf(await world.get('/images?name=tools&state=ready'))).items).toEqual([image])
    const [, sandbox] = await seen(await world.post('/sandboxes', { image: 'tools' }))
    expect((await world.call('DELETE', '/images/tools')).status).toBe(204)
    expect((await jsonOf(await world.get(`/sandboxes/${sandbox.id}`))).image.id).toBe(image.id)
  })
})

describe('keys', () => {
  it('are made, listed and revoked', async () => {
    const made = await world.post('/keys', { name: 'ci' }, { 'idempotency-key': 'has-no-effect' })
    const { key, secret } = await jsonOf(made)
    expect([made.status, made.headers.get('cache-control')]).toEqual([201, 'no-store'])
    const mine = { 'x-api-key': secret }
    const as = (path: string) => fetch(`${world.url}/v1${path}`, { headers: mine })
    expect((await jsonOf(await as('/team'))).name).toBe('default')
    const keys = (await jsonOf(await world.get('/keys'))).items
    expect(keys.map((one: { id: string }) => one.id)).toContain(key.id)
    expect(JSON.stringify(keys)).not.toContain(secret)
    expect((await world.call('DELETE', `/keys/${key.id}`)).status).toBe(204)
    expect((await as('/team')).status).toBe(401)
    expect(JSON.stringify([...world.host.ledger.committed.idempotency.values()])).not.toContain(secret)
  })
})

describe('pages', () => {
  it('hold what was asked for and lead to the next', async () => {
    await Promise.all([world.sandbox(), world.sandbox(), world.sandbox()])
    const ids: string[] = []
    let path = '/sandboxes?limit=2'
    for (;;) {
      const page = await jsonOf(await world.get(path))
      expect(page.items.length).toBeLessThanOrEqual(2)
      ids.push(...page.items.map((one: { id: string }) => one.id))
      if (page.nextCursor === null) break
      path = `/sandboxes?limit=2&cursor=${encodeURIComponent(page.nextCursor)}`
    }
    const all = (await jsonOf(await world.get('/sandboxes?limit=500'))).items.map((one: { id: string }) => one.id)
    expect(ids).toEqual(all)
  })
})

describe('schedules', () => {
  it('are made, found, changed and deleted', async () => {
    const sandbox = await world.sandbox()
    const asked = { sandbox, cron: '15 3 * * *', timeZone: 'Europe/Oslo', kind: 'filesystem', keep: { daily: 7 } }
    const created = await world.post('/schedules', asked)
    const schedule = await jsonOf(created)
    expect(created.status).toBe(201)
    const keep = { last: null, hourly: null, daily: 7, weekly: null, monthly: null }
    expect(schedule).toMatchObject({ sandboxId: sandbox, cron: '15 3 * * *', keep, enabled: true, lastTick: null })
    expect(Date.parse(schedule.nextAt)).toBeGreaterThan(Date.parse(schedule.createdAt))
    expect(await seen(await world.get(`/schedules/${schedule.id}`))).toEqual([200, schedule])
    expect((await jsonOf(await world.get(`/schedules?sandbox=${sandbox}`))).items).toEqual([schedule])

    const headers = { 'content-type': 'application/json' }
    const patch = async (body: object) =>
      seen(await world.call('PATCH', `/schedules/${schedule.id}`, { headers, body: JSON.stringify(body) }))
    expect(await patch({ enabled: false, keep: { last: 2 } })).toMatchObject([
      200,
      { enabled: false, nextAt: null, keep: { ...keep, last: 2 } },
    ])
    expect(await patch({ cron: '61 * * * *' })).toMatchObject([400, { code: 'invalid_argument' }])
    expect(await patch({ keep: { last: 0 } })).toMatchObject([400, { code: 'invalid_argument' }])
    expect(await seen(await world.call('DELETE', `/schedules/${schedule.id}`))).toEqual([204, null])
    expect(await seen(await world.get(`/schedules/${schedule.id}`))).toMatchObject([404, { code: 'not_found' }])
  })
})

describe('pushes', () => {
  it('answer with where it is, or with the operation', async () => {
    const pushed = await world.post('/images/base/push', { reference: 'registry.example/app:1' })
    expect(await seen(pushed)).toEqual([
      200,
      { reference: 'registry.example/app:1', digest: expect.stringMatching(/^sha256:/), sizeBytes: expect.any(Number) },
    ])
    const accepted = await world.post('/images/base/push?wait=false', { reference: 'registry.example/app:2' })
    const operation = await jsonOf(accepted)
    expect([accepted.status, operation.kind]).toEqual([202, 'archive.push'])
    expect(accepted.headers.get('location')).toBe(`/v1/operations/${operation.id}`)
    expect(await seen(await world.post('/images/none/push', { reference: 'a/b' }))).toMatchObject([
      404,
      { code: 'not_found' },
    ])
  })
})

it('pushes snapshots with their memory and takes them in', async () => {
  const sandbox = await world.sandbox()
  const point = await jsonOf(await world.post(`/sandboxes/${sandbox}/snapshots`, { kind: 'memory', name: 'moving' }))
  const reference = 'registry.example/moving:1'
  const pushed = await world.post(`/snapshots/${point.id}/push`, { reference })
  expect(await seen(pushed)).toMatchObject([200, { reference }])
  const pulled = await world.post('/snapshots', { reference, name: 'moved', labels: { a: 'b' } })
  expect(await seen(pulled)).toMatchObject([201, { name: 'moved', kind: 'memory', state: 'ready', labels: { a: 'b' } }])
  const accepted = await world.post('/snapshots?wait=false', { reference })
  expect([accepted.status, (await jsonOf(accepted)).state]).toEqual([202, 'creating'])
  expect(await seen(await world.post('/snapshots', { reference: 'registry.example/none' }))).toMatchObject([
    404,
    { code: 'not_found' },
  ])
})

it('stores secrets, which rules refer to, and never gives their values out', async () => {
  const headers = { 'content-type': 'application/json' }
  const put = async (name: string, body: object) =>
    seen(await world.call('PUT', `/secrets/${name}`, { headers, body: JSON.stringify(body) }))
  const value = 'sk-hunter2'
  expect(await put('API_KEY', { value, hosts: ['api.test'] })).toMatchObject([200, { hosts: ['api.test'] }])
  expect(await put('1', { value })).toMatchObject([400, { code: 'invalid_argument' }])
  expect(await put('API_KEY', { value: 'a\nb' })).toMatchObject([400, { code: 'invalid_argument' }])
  const told = await (await world.get('/secrets')).text()
  expect(JSON.parse(told).items).toMatchObject([{ name: 'API_KEY' }])
  const header = { name: 'Authorization', template: 'Bearer {API_KEY}' }
  const create = (host: string, over: object = {}) =>
    world.post('/sandboxes', {
      image: 'base',
      credentials: [{ name: 'a', hosts: [host], headers: [{ ...header, ...over }] }],
    })
  const sandbox = await jsonOf(await create('api.test'))
  expect(sandbox.credentials[0].headers).toEqual([{ ...header, value: null, secret: true }])
  expect(await seen(await create('evil.test'))).toMatchObject([400, { code: 'invalid_argument' }])
  expect(await seen(await create('api.test', { value: 'x' }))).toMatchObject([400, { code: 'invalid_argument' }])
  expect(told + JSON.stringify(sandbox)).not.toContain('hunter2')
  expect(await seen(await world.call('DELETE', '/secrets/API_KEY'))).toEqual([204, null])
  expect(await seen(await world.get('/secrets/API_KEY'))).toMatchObject([404, { code: 'not_found' }])
})

describe('registries', () => {
  it('are stored, found, changed and forgotten, and never give their password out', async () => {
    const asked = { name: 'ours', url: 'Registry.Example:5000/team/', username: 'ci', password: 'hunter2' }
    const created = await world.post('/registries', asked)
    const registry = await jsonOf(created)
    expect(created.status).toBe(201)
    expect(registry).toMatchObject({ name: 'ours', url: 'https://registry.example:5000/team', username: 'ci' })
    expect(await seen(await world.get('/registries/ours'))).toEqual([200, registry])
    expect(await seen(await world.get(`/registries/${registry.id}`))).toEqual([200, registry])
    const list = await (await world.get('/registries?nameContains=OUR')).text()
    expect(JSON.parse(list).items).toEqual([registry])
    expect(list).not.toContain('hunter2')
    expect(await seen(await world.post('/registries', asked))).toMatchObject([409, { code: 'name_taken' }])

    const headers = { 'content-type': 'application/json' }
    const patch = async (body: object) =>
      seen(await world.call('PATCH', '/registries/ours', { headers, body: JSON.stringify(body) }))
    expect(await patch({ url: 'https://u:p@host' })).toMatchObject([400, { code: 'invalid_argument' }])
    expect(await patch({ username: null, password: 'x' })).toMatchObject([400, { code: 'invalid_argument' }])
    expect(await patch({ password: 'hunter3' })).toMatchObject([200, { username: 'ci' }])

    const source = { type: 'oci', reference: 'registry.example:5000/team/app:1' }
    const image = await jsonOf(await world.post('/images', { name: 'app', source, registry: 'ours' }))
    expect(image.source).toMatchObject({ ...source, registryId: registry.id })
    const elsewhere = { type: 'oci', reference: 'ghcr.io/team/app:1' }
    expect(await seen(await world.post('/images', { name: 'app', source: elsewhere, registry: 'ours' }))).toMatchObject(
      [400, { code: 'invalid_argument' }],
    )
    expect(await seen(await world.call('DELETE', '/registries/ours'))).toEqual([204, null])
    expect(await seen(await world.get('/registries/ours'))).toMatchObject([404, { code: 'not_found' }])
  })
})

it('pins snapshots, and keeps them for ever where that is asked for', async () => {
  const sandbox = await world.sandbox()
  const created = await jsonOf(await world.post(`/sandboxes/${sandbox}/snapshots`, { kind: 'filesystem', ttlMs: null }))
  expect(created).toMatchObject({ pinned: false, scheduleId: null, expiresAt: null })
  const init = { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ pinned: true }) }
  expect(await jsonOf(await world.call('PATCH', `/snapshots/${created.id}`, init))).toMatchObject({ pinned: true })
})
