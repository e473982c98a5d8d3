import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { showsIngressToken } from '../index.ts'
import { type DoorWorld, jsonOf, openDoorWorld, seen } from '../testing/door-world.ts'

let world: DoorWorld
beforeAll(async () => {
  world = await openDoorWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const patch = (id: string, body: object) =>
  world.call('PATCH', `/sandboxes/${id}`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const DEFAULTS = {
  ingress: { default: 'open', ports: {}, hostHeader: null },
  timeout: { timeoutMs: null, idleTimeoutMs: null, onTimeout: 'kill', autoResume: false, deleteAfterMs: null },
  haltedAt: null,
  originSnapshotId: null,
}

describe('policies', () => {
  it('are made with the sandbox and changed one by one', async () => {
    expect(await seen(await world.post('/sandboxes', { image: 'base' }))).toMatchObject([201, DEFAULTS])
    const asked = {
      ingress: { default: 'token', ports: { 8080: 'open' } },
      timeout: { onTimeout: 'stop', autoResume: true, deleteAfterMs: 1000 },
    }
    const [status, sandbox] = await seen(await world.post('/sandboxes', { image: 'base', ...asked }))
    expect([status, sandbox]).toMatchObject([201, { ...asked, ingress: { ...asked.ingress, hostHeader: null } }])
    const change = {
      ingress: { hostHeader: 'localhost' },
      timeout: { autoResume: false, deleteAfterMs: null },
      env: { A: '1' },
    }
    expect(await seen(await patch(sandbox.id, change))).toMatchObject([
      200,
      {
        ingress: { ...asked.ingress, hostHeader: 'localhost' },
        timeout: { onTimeout: 'stop', autoResume: false, deleteAfterMs: null },
        env: { A: '1' },
      },
    ])
  })

  it.each([
    [{ timeout: { onTimeout: 'hibernate' } }],
    [{ timeout: { deleteAfterMs: 0 } }],
    [{ ingress: { default: 'public' } }],
    [{ ingress: { ports: { http: 'open' } } }],
    [{ ingress: { ports: { 70000: 'open' } } }],
    [{ ingress: { hostHeader: 'two words' } }],
    [{ extendOnly: 'yes' }],
  ])('%j is refused', async (body) => {
    const id = await world.sandbox()
    expect(await seen(await patch(id, body))).toMatchObject([400, { code: 'invalid_argument' }])
  })

  it('an extension only extends', async () => {
    const id = await world.sandbox()
    const left = async (body: object) => Date.parse((await jsonOf(await patch(id, body))).expiresAt) - Date.now()
    expect(await left({ timeout: { timeoutMs: 600_000 } })).toBeGreaterThan(500_000)
    expect(await left({ timeout: { timeoutMs: 1_000 }, extendOnly: true })).toBeGreaterThan(500_000)
    expect(await left({ timeout: { timeoutMs: 60_000 } })).toBeLessThan(61_000)
  })
})

describe('a sandbox that rests', () => {
  it.each([
    ['pause', 'resume'],
    ['stop', 'start'],
  ])('says since when, and comes back from %s with a timeout of its own', async (rest, back) => {
    const id = await world.sandbox()
    const before = Date.now()
    const rested = await jsonOf(await world.post(`/sandboxes/${id}/${rest}`))
    expect(Date.parse(rested.haltedAt)).toBeGreaterThanOrEqual(before)
    expect(await seen(await world.post(`/sandboxes/${id}/${back}`, { timeoutMs: 0 }))).toMatchObject([
      400,
      { code: 'invalid_argument' },
    ])
    expect(await seen(await world.post(`/sandboxes/${id}/${back}`, { timeoutMs: 60_000 }))).toMatchObject([
      200,
      { state: 'running', haltedAt: null, timeout: { timeoutMs: 60_000 }, expiresAt: expect.any(String) },
    ])
  })

  it('is woken by whatever goes inside', async () => {
    const id = await world.sandbox()
    await patch(id, { timeout: { autoResume: true } })
    for (const ask of [
      () => world.get(`/sandboxes/${id}/files/stat?path=/home/user`),
      () => world.get(`/sandboxes/${id}/processes`),
      () => world.get(`/sandboxes/${id}/metrics?inside=true`),
    ]) {
      await world.post(`/sandboxes/${id}/pause`)
      expect((await ask()).status).toBe(200)
      expect((await jsonOf(await world.get(`/sandboxes/${id}`))).state).toBe('running')
    }
    await world.post(`/sandboxes/${id}/stop`)
    expect((await world.get(`/sandboxes/${id}/ports/8080/`)).status).toBe(502)
    expect((await jsonOf(await world.get(`/sandboxes/${id}`))).state).toBe('running')
  })
})

describe('a roll back', () => {
  it('goes to the origin, or to a snapshot, and to nothing else', async () => {
    const id = await world.sandbox()
    const point = await jsonOf(await world.post(`/sandboxes/${id}/snapshots`, { kind: 'filesystem' }))
    const path = `/sandboxes/${id}/rollback`
    expect(await seen(await world.post(path, { snapshot: point.id }))).toMatchObject([
      200,
      { sourceSnapshotId: point.id, originSnapshotId: null },
    ])
    expect(await seen(await world.post(path, { origin: true }))).toMatchObject([200, { sourceSnapshotId: null }])
    for (const body of [{}, { origin: false }, { origin: true, snapshot: point.id }, { snapshot: 1 }])
      expect(await seen(await world.post(path, body))).toMatchObject([400, { code: 'invalid_argument' }])
  })
})

describe('the history of metrics', () => {
  it('has at least one sample of what runs, in the range asked for', async () => {
    const id = await world.sandbox()
    const path = `/sandboxes/${id}/metrics/history`
    const { items } = await jsonOf(await world.get(path))
    expect(items).toEqual([
      {
        at: expect.any(String),
        cpus: 1,
        cpuUsedPercent: expect.any(Number),
        memoryUsedBytes: 16 * 2 ** 20,
        memoryTotalBytes: 2 ** 30,
        memoryCacheBytes: 4 * 2 ** 20,
        diskUsedBytes: expect.any(Number),
        diskTotalBytes: 4 * 2 ** 30,
      },
    ])
    const at = Date.parse(items[0].at)
    const range = (from: number, to: number) =>
      `${path}?from=${new Date(from).toISOString()}&to=${encodeURIComponent(new Date(to).toISOString().replace('Z', '+00:00'))}`
    expect((await jsonOf(await world.get(range(at, at)))).items).toEqual(items)
    expect((await jsonOf(await world.get(range(at + 1, at + 2)))).items).toEqual([])
    for (const query of ['?from=yesterday', '?to=2026', `${range(2, 1).slice(path.length)}`])
      expect(await seen(await world.get(path + query))).toMatchObject([400, { code: 'invalid_argument' }])
  })
})

describe('a token for ports', () => {
  it('is the same each time, and of one sandbox only', async () => {
    const [one, other] = [await world.sandbox(), await world.sandbox()]
    const answer = await world.get(`/sandboxes/${one}/ingress-token`)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const { token, header } = await jsonOf(answer)
    expect(await jsonOf(await world.get(`/sandboxes/${one}/ingress-token`))).toEqual({ token, header })
    expect((await jsonOf(await world.get(`/sandboxes/${other}/ingress-token`))).token).not.toBe(token)
    const shows = showsIngressToken(world.core)
    const { sandbox } = await world.core.sandboxes.guest(world.by, one)
    const { sandbox: stranger } = await world.core.sandboxes.guest(world.by, other)
    const asked = (headers: object) => ({ headers }) as never
    expect(shows(asked({ [header]: token }), sandbox)).toBe(true)
    expect(shows(asked({ [header]: token }), stranger)).toBe(false)
    for (const headers of [{}, { [header]: '' }, { [header]: [token, token] }, { authorization: token }])
      expect(shows(asked(headers), sandbox)).toBe(false)
  })
})
