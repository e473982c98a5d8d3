import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildUuid } from './ids.ts'
import { type ControlWorld, type Got, openControlWorld } from './testing/control-world.ts'

let world: ControlWorld
let origin: string
beforeAll(async () => {
  world = await openControlWorld()
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  origin = (await world.sandbox()).sandboxID
})

const snapshot = async (body: object = {}): Promise<Got['body']> =>
  (await world.post(`/e2b/sandboxes/${origin}/snapshots`, body)).body
const snapshots = async (query = ''): Promise<string[]> =>
  (await world.get(`/e2b/snapshots${query}`)).body.map((one: { snapshotID: string }) => one.snapshotID)
const remove = (ref: string) => world.delete(`/e2b/templates/${encodeURIComponent(ref)}`)
const source = { type: 'debian' as const, suite: 'bookworm', packages: [] }

describe('snapshots', () => {
  it('are templates with ids of their own', async () => {
    const { snapshotID, names } = await snapshot()
    expect(snapshotID).toMatch(/^[0-9a-f]{24}:default$/)
    expect(names).toEqual([])
    const bare = snapshotID.split(':')[0]
    for (const templateID of [snapshotID, bare, `${bare}:anything`])
      expect((await world.sandbox({ templateID })).templateID).toBe(bare)
    expect(await snapshots(`?sandboxID=${origin}`)).toEqual([snapshotID])
    expect(await snapshots(`?name=${bare}`)).toEqual([snapshotID])
    expect(await snapshots(`?name=${snapshotID}&sandboxID=${'0'.repeat(24)}`)).toEqual([])
  })

  it('get names and tags in lower case, and move the tag', async () => {
    const first = await snapshot({ name: 'Named:V1' })
    expect(first).toEqual({ snapshotID: 'default/named:v1', names: ['default/named'] })
    const again = await snapshot({ name: 'default/named:v1' })
    expect(again).toEqual(first)
    const [moved, old] = (await world.get('/e2b/snapshots?name=named')).body
    expect(moved).toEqual(first)
    expect(old).toEqual({ snapshotID: expect.stringMatching(/^[0-9a-f]{24}:default$/), names: ['default/named'] })
    expect(await snapshots('?name=named:v1')).toEqual(['default/named:v1'])
    const { id } = await world.core.keys.team(world.by)
    expect(await snapshots(`?name=${id}/named`)).toHaveLength(2)
    expect(await snapshots('?name=somebody/named')).toEqual([])
    expect(await snapshots('?name=Named:V1')).toEqual(['default/named:v1'])
    expect(await world.get('/e2b/templates/aliases/NAMED')).toMatchObject({ status: 200 })
    expect(await world.sandbox({ templateID: 'Named:V1' })).toMatchObject({ alias: 'named' })
    const made = await world.sandbox({ templateID: 'named:v1' })
    expect(made).toMatchObject({ alias: 'named', templateID: (await world.core.names.get(world.by, 'named')).id })
  })

  it.each(['somebody/mine', 'a b', 'a.b', 'x:y:z', 'a/b/c', ':v1', 'name:', 'ümlaut', 'x'.repeat(300)])(
    'refuse the name %j',
    async (name) => {
      const answer = await world.post(`/e2b/sandboxes/${origin}/snapshots`, { name })
      expect(answer).toMatchObject({ status: 400, body: { code: 400, message: expect.any(String) } })
    },
  )

  it('come in pages', async () => {
    const made: string[] = []
    for (let n = 0; n < 3; n += 1) made.unshift((await snapshot()).snapshotID)
    const first = await world.get(`/e2b/snapshots?sandboxID=${origin}&limit=2`)
    expect(first.body).toHaveLength(2)
    const token = first.headers.get('x-next-token')
    const second = await world.get(`/e2b/snapshots?sandboxID=${origin}&limit=2&nextToken=${token}`)
    expect([...first.body, ...second.body].map(({ snapshotID }) => snapshotID)).toEqual(made)
    expect(second.headers.has('x-next-token')).toBe(false)
    expect(await world.get('/e2b/snapshots?nextToken=nonsense')).toMatchObject({ status: 400, body: { code: 400 } })
    expect(await world.get('/e2b/snapshots?limit=0')).toMatchObject({ status: 400 })
  })

  it('stay while sandboxes started from them live', async () => {
    const { snapshotID } = await snapshot({ name: 'used' })
    const { sandboxID } = await world.sandbox({ templateID: snapshotID })
    expect(await remove(snapshotID)).toMatchObject({
      status: 400,
      body: {
        code: 400,
        message: `cannot delete template '${snapshotID}' because there are running sandboxes using it`,
      },
    })
    await world.post(`/e2b/sandboxes/${sandboxID}/pause`)
    expect((await remove(snapshotID)).body.message).toContain('paused sandboxes')
    await world.delete(`/e2b/sandboxes/${sandboxID}`)
    expect((await remove(snapshotID)).status).toBe(204)
    expect(await remove(snapshotID)).toMatchObject({ status: 404, body: { code: 404 } })
    expect(await snapshots('?name=used')).toEqual([])
  })

  it('go with their name, all or none of them', async () => {
    await snapshot({ name: 'several:a' })
    const second = await snapshot({ name: 'several:b' })
    const { sandboxID } = await world.sandbox({ templateID: second.snapshotID })
    expect((await remove('several')).status).toBe(400)
    expect(await snapshots('?name=several')).toHaveLength(2)
    await world.delete(`/e2b/sandboxes/${sandboxID}`)
    expect((await remove('default/several:a')).status).toBe(204)
    expect(await snapshots('?name=several')).toEqual([])
    await expect(world.core.names.get(world.by, 'several')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('of another team are not there', async () => {
    const { snapshotID } = await snapshot({ name: 'ours' })
    const { key } = await world.core.createTeam('strangers')
    const theirs = { 'x-api-key': key }
    expect((await world.get('/e2b/snapshots', theirs)).body).toEqual([])
    expect((await world.get('/e2b/snapshots?name=default/ours', theirs)).body).toEqual([])
    for (const templateID of [snapshotID, 'ours', 'default/ours'])
      expect(await world.post('/e2b/v2/sandboxes', { templateID }, theirs)).toMatchObject({ status: 404 })
    const answer = await world.send('DELETE', `/e2b/templates/${encodeURIComponent(snapshotID)}`, { headers: theirs })
    expect(answer).toMatchObject({ status: 404, body: { code: 404 } })
    expect((await remove(snapshotID)).status).toBe(204)
  })
})

describe('templates', () => {
  const base = async () => (await world.core.names.ensure(world.by, 'base')).id

  it('are the images of this server, one for each name', async () => {
    const { body } = await world.get('/e2b/templates')
    expect(body).toEqual([
      {
        templateID: await base(),
        buildID: expect.stringMatching(/^[0-9a-f-]{36}$/),
        buildStatus: 'ready',
        buildCount: 1,
        public: false,
        aliases: ['base'],
        names: ['default/base'],
        cpuCount: 1,
        memoryMB: 1024,
        diskSizeMB: 4096,
        createdAt: expect.any(String),
        updatedAt: expect.any(String),
        createdBy: null,
        lastSpawnedAt: null,
        spawnCount: 0,
        envdVersion: '0.6.13',
      },
    ])
    expect((await world.get('/e2b/v2/templates')).body).toEqual(body)
  })

  it('come in pages, and with their builds', async () => {
    for (const name of ['two', 'three', 'two']) await (await world.core.images.build(world.by, { name, source })).done
    const names: string[] = []
    for (let token: string | null = ''; token !== null; ) {
      const page: Got = await world.get(`/e2b/v2/templates?limit=2${token === '' ? '' : `&nextToken=${token}`}`)
      names.push(...page.body.map((one: { names: string[] }) => one.names[0]))
      token = page.headers.get('x-next-token')
    }
    expect(names.toSorted()).toEqual(['default/base', 'default/three', 'default/two'])
    const { body } = await world.get('/e2b/templates/two')
    expect(body).toMatchObject({
      names: ['default/two'],
      public: false,
      builds: [{ status: 'ready' }, { status: 'ready' }],
    })
    const [build] = body.builds
    expect((await world.get(`/e2b/templates/${body.templateID}`)).body).toEqual(body)
    expect((await world.get('/e2b/templates/two?limit=1')).body.builds).toHaveLength(1)
    expect((await world.get(`/e2b/templates/x/builds/${build.buildID}/status`)).body.status).toBe('ready')
    expect(await world.get('/e2b/templates/nothing')).toMatchObject({ status: 404, body: { code: 404 } })
    expect((await remove('two')).status).toBe(204)
    expect((await remove('three')).status).toBe(204)
    expect((await world.get('/e2b/templates')).body).toHaveLength(1)
  })

  it('are found by name', async () => {
    const found = { templateID: await base(), public: false }
    for (const alias of ['base', 'default/base', 'base:default', 'BASE:default', await base()])
      expect((await world.get(`/e2b/templates/aliases/${encodeURIComponent(alias)}`)).body).toEqual(found)
    expect((await world.sandbox({ templateID: 'default/base:default' })).alias).toBe('base')
    for (const alias of ['nothing', 'somebody/base', 'base:v9', 'nothing:default'])
      expect((await world.get(`/e2b/templates/aliases/${encodeURIComponent(alias)}`)).status).toBe(404)
  })

  it('have tags, which can be set, moved and removed', async () => {
    const image = await world.core.images.get(world.by, 'base')
    const tags = async () => (await world.get('/e2b/templates/base/tags')).body
    expect(await tags()).toEqual([{ tag: 'default', buildID: buildUuid(image.id), createdAt: expect.any(String) }])
    const set = await world.post('/e2b/templates/tags', { target: 'base', tags: ['Prod', 'v1'] })
    expect(set).toMatchObject({ status: 201, body: { buildID: buildUuid(image.id), tags: ['prod', 'v1'] } })
    expect((await tags()).map(({ tag }: { tag: string }) => tag).toSorted()).toEqual(['default', 'prod', 'v1'])
    expect((await world.get('/e2b/templates/base/tags/count')).body).toEqual({ total: 3 })
    const exists = async (tag: string) => (await world.get(`/e2b/templates/base/tags/exists?tag=${tag}`)).body
    expect(await exists('PROD')).toEqual({ exists: true, normalizedTag: 'prod' })
    expect(await exists('none')).toEqual({ exists: false, normalizedTag: 'none' })
    expect((await world.get('/e2b/templates/nothing/tags/count')).status).toBe(404)
    expect((await world.post('/e2b/templates/tags', { target: 'base:prod', tags: ['v2'] })).status).toBe(201)
    expect((await world.sandbox({ templateID: 'default/base:v2' })).alias).toBe('base')
    const removed = await world.delete('/e2b/templates/tags', { name: 'base', tags: ['prod', 'v1', 'v2'] })
    expect(removed.status).toBe(204)
    expect(await tags()).toHaveLength(1)
    for (const body of [
      { target: 'nothing', tags: ['x'] },
      { target: 'base:nothing', tags: ['x'] },
      { target: 'somebody/base', tags: ['x'] },
    ])
      expect([body, (await world.post('/e2b/templates/tags', body)).status]).toEqual([body, 404])
    expect(await world.delete('/e2b/templates/tags', { name: 'base', tags: ['default'] })).toMatchObject({
      status: 400,
    })
    expect(await world.delete('/e2b/templates/tags', { name: 'nothing', tags: ['x'] })).toMatchObject({ status: 404 })
    expect(await world.post('/e2b/templates/tags', { target: 'base', tags: ['a b'] })).toMatchObject({ status: 400 })
    expect(await world.get('/e2b/templates/nothing/tags')).toMatchObject({ status: 404 })
  })

  it('cannot be made public', async () => {
    expect(await world.patch('/e2b/v2/templates/base', { public: true })).toMatchObject({ status: 400 })
    const kept = await world.patch('/e2b/v2/templates/base', { public: false })
    expect(kept).toMatchObject({ status: 200, body: { names: ['default/base'] } })
  })
})
