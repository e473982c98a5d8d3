import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DoorWorld, jsonOf, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
beforeAll(async () => {
  world = await openDoorWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const patch = (path: string, body: unknown) =>
  world.call('PATCH', path, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })

/** A team with limits, and calls with its first key or one of its own. */
async function team(name: string, limits: object = {}) {
  const made = await jsonOf(await world.post('/teams', { name, limits }))
  const as = (secret: string) => ({
    get: (path: string) => world.call('GET', path, { headers: { authorization: `Bearer ${secret}` } }),
    send: (method: string, path: string, body: unknown = {}) =>
      world.call(method, path, {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
      }),
  })
  return { ...made, first: as(made.secret), as }
}

describe('teams', () => {
  it('are made with their first key, listed, found and given limits', async () => {
    const { team: made, key, secret } = await team('research', { sandboxes: 2, cpus: 1.5 })
    expect(made).toMatchObject({ name: 'research', limits: { sandboxes: 2, cpus: 1.5, snapshots: null } })
    expect(made.used).toEqual({ sandboxes: 0, cpus: 0, memoryBytes: 0, snapshots: 0, storageBytes: 0 })
    expect(key).toMatchObject({ name: 'first', scopes: ['read', 'write', 'admin'], member: null })
    expect(secret).toMatch(/^sp_[0-9a-f]{64}$/)
    const changed = await jsonOf(await patch('/teams/research', { limits: { snapshots: 0, cpus: null } }))
    expect(changed.limits).toMatchObject({ sandboxes: 2, cpus: null, snapshots: 0 })
    expect(await jsonOf(await world.get(`/teams/${made.id}`))).toEqual(changed)
    const { items } = await jsonOf(await world.get('/teams'))
    expect(items.map(({ name }: { name: string }) => name)).toEqual(['research', 'default'])
  })

  it('are nobody else’s business', async () => {
    const { first } = await team('curious')
    for (const path of ['/teams', '/teams/default', '/teams/usage']) expect((await first.get(path)).status).toBe(403)
    expect((await first.send('PATCH', '/teams/curious', { limits: { cpus: 64 } })).status).toBe(403)
    const refused = await first.send('POST', '/keys', { name: 'more', scopes: ['server'] })
    expect([refused.status, (await jsonOf(refused)).code]).toEqual([403, 'forbidden'])
  })

  it('say how long their snapshots are kept, within their limit', async () => {
    const { first } = await team('keeper', { snapshotRetentionMs: 1_000_000 })
    const set = await first.send('PATCH', '/team', { snapshotRetentionMs: 5_000 })
    expect(await jsonOf(set)).toMatchObject({ name: 'keeper', snapshotRetentionMs: 5_000 })
    const refused = await first.send('PATCH', '/team', { snapshotRetentionMs: 1_000_001 })
    expect([refused.status, (await jsonOf(refused)).context]).toEqual([
      429,
      { limit: 'snapshotRetentionMs', allowed: 1_000_000, used: 0, asked: 1_000_001 },
    ])
    expect(await jsonOf(await first.get('/team'))).toMatchObject({ snapshotRetentionMs: 5_000 })
  })

  it('are told which limit they have reached, and their idempotency key stays free', async () => {
    const { first, secret } = await team('small', { sandboxes: 0 })
    const create = (body: object) =>
      world.call('POST', '/sandboxes', {
        body: JSON.stringify(body),
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${secret}`,
          'idempotency-key': 'one',
        },
      })
    await first.send('POST', '/images', { name: 'base', source: { type: 'debian', suite: 'bookworm', packages: [] } })
    const refused = await create({ image: 'base' })
    expect([refused.status, refused.headers.get('retry-after'), await jsonOf(refused)]).toEqual([
      429,
      null,
      expect.objectContaining({
        code: 'quota_exceeded',
        context: { limit: 'sandboxes', allowed: 0, used: 0, asked: 1 },
      }),
    ])
    await patch('/teams/small', { limits: { sandboxes: 1 } })
    expect((await create({ image: 'base' })).status).toBe(201)
  })
})

describe('a key', () => {
  it('may ask for what its scopes allow', async () => {
    const { first, as } = await team('scoped')
    const reader = await jsonOf(await first.send('POST', '/keys', { name: 'r', scopes: ['read'], member: 'Åse' }))
    expect(reader.key).toMatchObject({ scopes: ['read'], member: 'Åse' })
    const { get, send } = as(reader.secret)
    expect((await get('/sandboxes')).status).toBe(200)
    for (const [method, path, what] of [
      ['POST', '/sandboxes', 'sandboxes.create'],
      ['PATCH', '/team', 'keys.updateTeam'],
      ['POST', '/keys', 'keys.create'],
      ['POST', '/teams', 'teams.create'],
    ] as const) {
      const body = { '/sandboxes': { image: 'base' }, '/team': {} }[path as string] ?? { name: 'x' }
      const response = await send(method, path, body)
      expect([path, response.status, (await jsonOf(response)).context]).toEqual([path, 403, { what }])
    }
    expect((await get('/audit')).status).toBe(403)
    expect((await get('/team')).status).toBe(200)
    const { lastUsedAt: _, ...self } = reader.key
    expect(await jsonOf(await get('/keys/self'))).toMatchObject(self)
  })
})

describe('usage', () => {
  it('is told in one sum, by day and by sandbox, and as CSV', async () => {
    const id = await world.sandbox()
    const rows = async () => (await jsonOf(await world.get('/usage?by=sandbox&by=day'))).items
    // Of what has not run for a millisecond there is nothing to tell.
    await expect.poll(rows).toHaveLength(1)
    const [row] = await rows()
    expect(row).toMatchObject({ teamId: null, day: new Date().toISOString().slice(0, 10), sandboxId: id })
    expect((await jsonOf(await world.get('/usage'))).items).toHaveLength(1)
    const csv = await world.get('/usage?by=sandbox&format=csv')
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    const [header, line, end] = (await csv.text()).split('\r\n')
    expect(header).toBe('sandbox_id,sandbox_seconds,cpu_seconds,cpu_used_seconds,memory_gib_seconds,snapshot_gib_hours')
    expect(line).toMatch(new RegExp(`^${id}(,[0-9.e-]+){5}$`))
    expect(end).toBe('')
    const asked = await world.get('/teams/usage?team=default&by=day', { accept: 'text/csv' })
    expect(await asked.text()).toMatch(/^team_id,day,sandbox_seconds/)
  })

  it('is asked for a time that there is', async () => {
    for (const query of [
      'from=2024-02-30',
      'from=2024-01-02&to=2024-01-01',
      'from=2020-01-01',
      'by=hour',
      'format=xml',
    ])
      expect([query, (await world.get(`/usage?${query}`)).status]).toEqual([query, 400])
    expect((await jsonOf(await world.get('/usage?from=2024-01-01&to=2024-01-02'))).items).toEqual([])
    expect((await world.get('/teams/usage?team=nobody')).status).toBe(404)
  })
})

describe('the audit log', () => {
  it('has every call that changes something, also refused ones, and nothing else', async () => {
    const { first, as, key } = await team('audited')
    await first.send('POST', '/images', { name: 'base', source: { type: 'debian', suite: 'bookworm', packages: [] } })
    const box = await jsonOf(await first.send('POST', '/sandboxes', { image: 'base', name: 'box' }))
    await first.get('/sandboxes')
    await first.send('PATCH', '/sandboxes/box', { labels: { a: 'b' } })
    await first.send('POST', '/sandboxes/none/pause')
    const reader = await jsonOf(await first.send('POST', '/keys', { name: 'r', scopes: ['read'], member: 'ana' }))
    await as(reader.secret).send('DELETE', '/sandboxes/box')
    const { items } = await jsonOf(await first.get('/audit'))
    const seen = items.map((one: Record<string, unknown>) => [one.what, one.target, one.outcome, one.member])
    expect(seen).toEqual([
      ['sandboxes.kill', 'box', 'forbidden', 'ana'],
      ['keys.create', 'r', 'done', null],
      ['sandboxes.pause', 'none', 'not_found', null],
      ['sandboxes.update', 'box', 'done', null],
      ['sandboxes.create', 'box', 'accepted', null],
      ['images.build', 'base', 'accepted', null],
    ])
    expect(items[4]).toMatchObject({ door: 'native', keyId: key.id, keyName: 'first' })
    const operation = await jsonOf(await first.get(`/operations/${items[4].operationId}`))
    expect(operation).toMatchObject({ kind: 'sandbox.create', sandboxId: box.id })
    const paged = await jsonOf(await first.get('/audit?limit=1&what=sandboxes.'))
    expect(paged.items).toEqual([items[0]])
    const next = await jsonOf(await first.get(`/audit?limit=5&what=sandboxes.&cursor=${paged.nextCursor}`))
    expect(next).toEqual({ items: [items[2], items[3], items[4]], nextCursor: null })
    expect((await jsonOf(await first.get('/audit?member=ana'))).items).toEqual([items[0]])
    expect((await jsonOf(await first.get('/audit?to=2024-01-01'))).items).toEqual([])
  })
})
