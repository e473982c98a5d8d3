import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sandboxJson } from './sandbox-json.ts'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

/** What the vendor's clients do with what they are told, beyond reading it. */

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

async function create(body: object = {}): Promise<string> {
  const { status, data } = await world.post('/sandboxes', body)
  expect(status).toBe(201)
  return data.id
}

describe('a sandbox', () => {
  it('tells its size when it is made, and a region as clients know it', async () => {
    const { data } = await world.post('/sandboxes', { size: 'sbx.micro' })
    expect(data.size).toBe('sbx.micro')
    expect((await world.post('/sandboxes', {})).data.size).toBeNull()
    expect((await world.get(`/sandboxes/${data.id}`)).data.region).toMatchObject({ provider: 'local', is_paid: false })
  })

  it('that is destroyed is not waited for, as clients ask again at once until their time is over', async () => {
    const id = await create()
    await world.send('DELETE', `/sandboxes/${id}`)
    expect(await world.get(`/sandboxes/${id}/wait?timeout=60`)).toMatchObject({
      status: 400,
      answer: { message: 'Sandbox is destroyed; only ready sandboxes can be waited for' },
    })
    expect((await world.get(`/sandboxes/${id}/wait?status=destroyed`)).data.status).toBe('destroyed')
  })

  it.each([
    [-1000, 'max_lifetime'],
    [60_000, 'user'],
  ])('that is being destroyed with %d ms left tells why: %s', async (leftMs, reason) => {
    const sandbox = await world.core.sandboxes.get(world.by, await create())
    const expiresAt = new Date(Date.now() + leftMs)
    const told = await sandboxJson(world.core, world.by, { ...sandbox, state: 'killing', endedAt: null, expiresAt })
    expect([told.status, told.destroy_reason]).toEqual(['destroyed', reason])
  })

  it('has no workspace where there is a file, and does not stay', async () => {
    const id = await create()
    expect((await world.send('PUT', `/sandboxes/${id}/files/srv`, Buffer.from('a file'))).status).toBe(204)
    const taken = await world.post(`/sandboxes/${id}/snapshots`, { name: 'x' })
    await expect.poll(async () => (await world.get(`/sandboxes/${id}/snapshots`)).data.data[0].status).toBe('ready')
    const body = { fromSnapshot: taken.data.id, persistent: true, persistentDiskGB: 10 }
    const refused = await world.post('/sandboxes', { ...body, mountPath: '/srv' })
    expect([refused.status, refused.answer.message]).toEqual([400, expect.stringMatching(/^mountPath: /)])
    expect((await world.get('/sandboxes')).data.totalCount).toBe(1)
  })

  it('tells of any number of hours as far as it knows', async () => {
    const id = await create()
    expect((await world.get(`/sandboxes/${id}/stats?hoursAgo=1000000`)).data.replicaCount).toBe(1)
  })
})

describe('where a volume is mounted', () => {
  it.each([
    ['/data/', '/data'],
    ['/data//sub//', '/data/sub'],
  ])('may be said with slashes that mean nothing: %s', async (mountPath, path) => {
    const volume = (await world.post('/volumes', { name: 'v', sizeGB: 10 })).data.id
    const { status, data } = await world.post('/sandboxes', { volumeId: volume, mountPath })
    expect(status).toBe(201)
    expect((await world.core.sandboxes.get(world.by, data.id)).volumes).toMatchObject([{ path }])
  })
})

describe('what Linux cannot do', () => {
  it.each([
    [{ cmd: 'a\0b' }, /^cmd: must not contain NUL/],
    [{ cmd: 'true', cwd: '/\0' }, /^cwd: must not contain NUL/],
    [{ cmd: 'true', env: { A: 'a\0b' } }, /^env\.A: must not contain NUL/],
    [{ cmd: 'true', env: { 'A=B': '1' } }, /^env: names of variables must not be empty/],
    [{ cmd: 'true', env: { '': '1' } }, /^env: names of variables must not be empty/],
  ])('is refused, not left out: %j', async (body, message) => {
    const { status, answer } = await world.post(`/sandboxes/${await create()}/exec`, body)
    expect([status, answer.message]).toEqual([400, expect.stringMatching(message)])
  })

  it('is to have files in a file', async () => {
    const files = `/sandboxes/${await create()}/files`
    expect((await world.send('PUT', `${files}/srv`, Buffer.from('a file'))).status).toBe(204)
    const put = await world.send('PUT', `${files}/srv/below`, Buffer.from('x'))
    expect([put.status, put.answer.message]).toEqual([400, 'Destination directory does not exist: /srv'])
    expect((await world.get(`${files}/srv/below`)).status).toBe(404)
  })
})

describe('egress that another protocol has set', () => {
  const all = '0.0.0.0/0'
  it.each([
    [{ deny: [all] }, { mode: 'deny_all' }],
    [{ deny: [all], allow: ['1.1.1.1/32'] }, { mode: 'deny_all' }],
    [
      { deny: [all], allow: ['1.1.1.1/32'], precedence: 'allow' },
      { mode: 'restricted', allow: ['1.1.1.1'] },
    ],
    [{ deny: ['10.0.0.0/8'], allow: ['10.1.1.1/32'], precedence: 'allow' }, { mode: 'open' }],
    [
      { deny: ['10.0.0.0/8'], allow: ['1.1.1.1/32'] },
      { mode: 'restricted', allow: ['1.1.1.1'] },
    ],
  ] as const)('%j', async ({ ...given }, egress) => {
    const id = await create()
    const network = { allow: [], precedence: 'deny' as const, ...given }
    await world.core.sandboxes.update(world.by, id, {
      network: { ...network, allow: [...network.allow], deny: [...given.deny] },
    })
    const { data } = await world.get(`/sandboxes/${id}`)
    expect([data.egress, data.block_outbound]).toEqual([egress, egress.mode === 'deny_all'])
  })

  it('ends with a mode of this one, names that were denied too', async () => {
    const id = await create()
    await world.core.sandboxes.update(world.by, id, { network: { deny: [all], denyDomains: ['example.com'] } })
    const { data } = await world.send('PUT', `/sandboxes/${id}/egress`, { mode: 'open' })
    expect(data).toMatchObject({ egress: { mode: 'open' }, network_updated: true })
    expect((await world.core.sandboxes.get(world.by, id)).network).toMatchObject({ deny: [], denyDomains: [] })
  })
})

describe('a refusal names what the client has named', () => {
  it.each([
    [{ egress: { mode: 'restricted', allow: ['https://x'] } }, /^allow: not a host name/],
    [{ egress: { mode: 'restricted', allow: ['999.1.1.1'] } }, /^allow: not an IPv4 address/],
    [{ snapshotMode: 'automatic', snapshotFrequency: '@daily' }, /^snapshotFrequency: five fields/],
  ])('%j', async (body, message) => {
    const { status, answer } = await world.post('/sandboxes', body)
    expect([status, answer.message]).toEqual([400, expect.stringMatching(message)])
  })

  it('also a path that is none, or one that a volume cannot be at', async () => {
    const id = await create()
    expect((await world.get(`/sandboxes/${id}/files/`)).answer.message).toMatch(/^path: /)
    const { data } = await world.post('/volumes', { name: 'v', sizeGB: 10 })
    const refused = await world.post('/sandboxes', { volumeId: data.id, mountPath: '/proc/x' })
    expect([refused.status, refused.answer.message]).toEqual([400, expect.stringMatching(/^mountPath: /)])
  })

  it.each(['/../x', '/x/..', '/x/./y', '/.', '/..', '//'])(
    'and a place that leads elsewhere: %s',
    async (mountPath) => {
      const { status, answer } = await world.post('/sandboxes', { persistent: true, persistentDiskGB: 10, mountPath })
      expect([status, answer.message]).toEqual([400, expect.stringMatching(/^mountPath: /)])
      expect((await world.get('/sandboxes')).data.totalCount).toBe(0)
    },
  )
})

it('a key that comes again while its request is under way gets that answer', async () => {
  const key = { 'idempotency-key': 'twice' }
  const answers = await Promise.all([1, 2, 3].map(() => world.post('/sandboxes', { name: 'same' }, key)))
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
  expect(new Set(answers.map(({ data }) => data.id)).size).toBe(1)
})
