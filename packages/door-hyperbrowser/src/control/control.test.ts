import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DoorWorld, type Got, openDoorWorld } from '../testing/door-world.ts'
import { sandboxJson } from './json.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

describe('sandboxes', () => {
  it('are told in whole numbers, whatever they were made with elsewhere', async () => {
    const resources = { cpus: 0.5, memoryBytes: 2 ** 28 + 1, diskBytes: 2 ** 32 }
    const timeout = { timeoutMs: 90_000 }
    const { id } = await (await world.core.sandboxes.create(world.by, { image: 'base', resources, timeout })).done
    const sizes = { vcpus: 1, memMiB: 257, diskSizeMiB: 4096 }
    const { body } = await world.get('/sandboxes')
    expect(body.sandboxes).toMatchObject([{ id, ...sizes, timeoutMinutes: 2, containsSecrets: false }])
    const { snapshotId } = (await world.post(`/sandbox/${id}/snapshot`, {})).body
    const snapshot = async () => (await world.get(`/snapshots/${snapshotId}`)).body.snapshot
    await expect.poll(async () => (await snapshot()).status).toBe('created')
    expect(await snapshot()).toMatchObject({ ...sizes, containsSecrets: false })
  })

  it('have every field that clients know, and are closed without what opens them', async () => {
    const { id, token } = await world.sandbox({ exposedPorts: [{ port: 80 }] })
    const open = (await world.get(`/sandbox/${id}`)).body
    expect(open).toEqual({
      id,
      teamId: world.by.teamId,
      status: 'active',
      startTime: expect.any(Number),
      endTime: null,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      updatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      closeReason: null,
      dataConsumed: 0,
      proxyDataConsumed: 0,
      usageType: 'sandbox',
      jobId: null,
      launchState: null,
      creditsUsed: null,
      region: 'us',
      sessionUrl: `${world.url}/sandboxes/${id}`,
      duration: expect.any(Number),
      proxyBytesUsed: 0,
      vcpus: 2,
      memMiB: 2048,
      diskSizeMiB: 8192,
      timeoutMinutes: null,
      containsSecrets: false,
      network: { allowInternetAccess: true, allowOut: [], denyOut: [] },
      runtime: {
        transport: 'regional_proxy',
        host: `${id}.localhost`,
        baseUrl: expect.stringMatching(`/sandbox/${id}$`),
      },
      exposedPorts: [expect.objectContaining({ port: 80, auth: false })],
      token: expect.stringMatching(/^\d+\.[0-9a-f]{64}$/),
      tokenExpiresAt: expect.any(String),
    })
    expect(token).toBeTruthy()
    for (const _ of [1, 2])
      expect(await world.put(`/sandbox/${id}/stop`)).toEqual({ status: 200, body: { success: true } })
    const closed = (await world.get(`/sandbox/${id}`)).body
    expect(closed).toMatchObject({ status: 'closed', endTime: expect.any(Number), exposedPorts: [], token: null })
    for (const call of ['expose', 'unexpose'])
      expect(await world.post(`/sandbox/${id}/${call}`, { port: 80 })).toMatchObject({
        status: 409,
        body: { code: 'sandbox_not_running' },
      })
    expect((await world.put(`/sandbox/${'0'.repeat(24)}/stop`)).status).toBe(404)
  })

  it('are over as soon as they are being ended', async () => {
    const { id } = await world.sandbox()
    const sandbox = await world.core.sandboxes.get(world.by, id)
    const origin = { scheme: 'http', host: 'here' } as const
    const json = sandboxJson(world.core, world.by, { ...sandbox, state: 'killing' }, origin, null)
    expect([json.status, json.endTime]).toEqual(['closed', expect.any(Number)])
  })

  it('are said to be where they were asked for', async () => {
    const { id, region } = await world.sandbox({ region: 'europe-west' })
    expect([region, (await world.get(`/sandbox/${id}`)).body.region]).toEqual(['europe-west', 'europe-west'])
  })

  it('are listed newest first, in pages that count all of them', async () => {
    const [one, two, three] = [await world.sandbox(), await world.sandbox(), await world.sandbox()]
    await world.put(`/sandbox/${two.id}/stop`)
    const list = async (query: string) => {
      const { sandboxes, ...counts } = (await world.get(`/sandboxes?${query}`)).body
      return [sandboxes.map(({ id }: Got['body']) => id), counts]
    }
    expect(await list('limit=2')).toEqual([[three.id, two.id], { totalCount: 3, page: 1, perPage: 2 }])
    expect(await list('limit=2&page=2')).toEqual([[one.id], { totalCount: 3, page: 2, perPage: 2 }])
    expect(await list('page=9')).toEqual([[], { totalCount: 3, page: 9, perPage: 20 }])
    expect(await list('status=closed')).toEqual([[two.id], { totalCount: 1, page: 1, perPage: 20 }])
    expect(await list(`status=active&status=closed&search=${one.id.slice(3)}`)).toEqual([
      [one.id],
      { totalCount: 1, page: 1, perPage: 20 },
    ])
    expect(await list('start=0&end=1')).toEqual([[], { totalCount: 0, page: 1, perPage: 20 }])
    for (const query of ['limit=0', 'page=0', 'status=paused'])
      expect((await world.get(`/sandboxes?${query}`)).status).toBe(400)
  })

  it('lose no port when several are exposed and taken back at once', async () => {
    const { id } = await world.sandbox({ exposedPorts: [{ port: 1 }, { port: 2 }] })
    const ports = [3000, 3001, 3002, 3003]
    await Promise.all([
      ...ports.map((port) => world.post(`/sandbox/${id}/expose`, { port })),
      world.post(`/sandbox/${id}/unexpose`, { port: 1 }),
    ])
    const { exposedPorts } = (await world.get(`/sandbox/${id}`)).body
    expect(exposedPorts.map(({ port }: Got['body']) => port)).toEqual([2, ...ports])
  })

  it('are stopped, and their snapshots and images deleted, once by however many ask', async () => {
    const { id } = await world.sandbox()
    const { snapshotId } = (await world.post(`/sandbox/${id}/snapshot`, { snapshotName: 'Point' })).body
    await expect.poll(async () => (await world.get(`/snapshots/${snapshotId}`)).body.snapshot.status).toBe('created')
    const statuses = async (calls: Promise<Got>[]) => (await Promise.all(calls)).map(({ status }) => status).sort()
    expect(await statuses([1, 2, 3].map(() => world.put(`/sandbox/${id}/stop`)))).toEqual([200, 200, 200])
    const deleted = await statuses([1, 2].map(() => world.delete(`/snapshots/${snapshotId}`)))
    expect(deleted[0]).toBe(200)
    expect([200, 404]).toContain(deleted[1])
    expect((await world.delete(`/snapshots/${snapshotId}`)).status).toBe(404)
    expect((await world.get('/snapshots/Point')).status).toBe(404)
    expect((await world.delete('/images/base')).body).toMatchObject({
      deleted: true,
      imageName: 'base',
      uploaded: true,
    })
    expect((await world.delete('/images/base')).status).toBe(404)
  })

  it('are found with their images and snapshots however that is written', async () => {
    const { id } = await world.sandbox()
    await world.post(`/sandbox/${id}/snapshot`, { snapshotName: 'Point' })
    const count = async (path: string) => (await world.get(path)).body.totalCount
    expect(await count(`/sandboxes?search=${id.slice(4).toUpperCase()}`)).toBe(1)
    expect([await count('/snapshots?search=oINT'), await count('/snapshots?search=x')]).toEqual([1, 0])
    expect([await count('/images?search=BAS'), await count('/images?search=')]).toEqual([1, 5])
  })

  it.each(['pause', 'stop'] as const)(
    'that rest after a %s through another protocol come back for a snapshot',
    async (how) => {
      const { id } = await world.sandbox()
      await (await world.core.sandboxes[how](world.by, id)).done
      const { status, body } = await world.post(`/sandbox/${id}/snapshot`, {})
      expect([status, body.imageName]).toEqual([200, 'base'])
      await expect
        .poll(async () => (await world.get(`/snapshots/${body.snapshotId}`)).body.snapshot.status)
        .toBe('created')
    },
  )

  it('have snapshots of their own when none is given a name', async () => {
    const { id } = await world.sandbox()
    const taken = await Promise.all([1, 2, 3].map(() => world.post(`/sandbox/${id}/snapshot`, {})))
    expect(new Set(taken.map(({ body }) => body.snapshotName)).size).toBe(3)
  })
})

describe('volumes', () => {
  it('are told with the size of what is in them, and by a name only where it is clear which is meant', async () => {
    const made = await world.post('/volume', { name: 'data' })
    expect(made).toEqual({ status: 200, body: { id: made.body.id, name: 'data', size: 0, transferAmount: 0 } })
    expect((await world.get('/volume?search=AT')).body).toEqual({
      volumes: [made.body],
      totalCount: 1,
      page: 1,
      perPage: 20,
    })
    expect((await world.get('/volume/DATA')).body).toEqual(made.body)
    await world.post('/volume', { name: 'Data' })
    expect((await world.get('/volume/data')).body.name).toBe('data')
    expect((await world.delete('/volume/DATA')).status).toBe(409)
    expect((await world.delete(`/volume/${made.body.id}`)).body).toEqual({
      deleted: true,
      id: made.body.id,
      name: 'data',
    })
    expect((await world.delete('/volume/DATA')).body).toMatchObject({ deleted: true, name: 'Data' })
  })
})

describe("the vendor's secrets", () => {
  const refused = { status: 503, body: { code: 'SECRETS_NOT_CONFIGURED', retryable: false } }

  it.each([
    ['GET', '/secrets'],
    ['POST', '/secrets'],
    ['GET', '/secrets/public-key'],
    ['PATCH', '/secrets/x'],
    ['DELETE', '/secrets/x/versions/1'],
    ['GET', '/vaults'],
    ['POST', '/vaults'],
    ['DELETE', '/vaults/x'],
  ])('are refused in the words that clients know: %s %s', async (method, path) => {
    const body = method === 'GET' || method === 'DELETE' ? undefined : { name: 'x' }
    expect(await world.send(method, `/hyperbrowser/api${path}`, body)).toMatchObject(refused)
    expect((await world.send(method, `/hyperbrowser/api${path}`, body, {})).status).toBe(401)
  })

  it('are not left out of what is to have them', async () => {
    for (const wanted of [{ secrets: { A: { name: 'a' } } }, { vault: 'v' }, { onePassword: { token: 't' } }])
      expect(await world.post('/sandbox', { imageName: 'base', ...wanted })).toMatchObject(refused)
    expect((await world.get('/sandboxes')).body.totalCount).toBe(0)
    const { id } = await world.sandbox({ secrets: {}, vault: null })
    expect(await world.post(`/sandbox/${id}/processes`, { command: 'env', vault: 'v' })).toMatchObject(refused)
  })
})

describe('refusals', () => {
  it.each([
    [{ memMiB: 1 }, /^memMiB: at least 64$/],
    [{ diskSizeMiB: 2 ** 29 }, /^diskSizeMiB: at most \d{1,7} on this server$/],
    [{ vcpus: 1000 }, /^vcpus: at most/],
    [{ denyOut: ['example.com'] }, /^denyOut: not an IPv4 address/],
    [{ allowOut: ['not a host!'] }, /^allowOut: not a host name/],
    [{ mounts: { data: { id: 'any' } } }, /^(mounts: |volume not found)/],
  ])('name what the client has named: %j', async (more, message) => {
    const { body } = await world.post('/sandbox', { imageName: 'base', ...more })
    expect(body.message).toMatch(message)
  })
})
