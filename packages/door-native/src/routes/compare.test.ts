import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DoorWorld, jsonOf, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
let id: string
let before: string
let after: string
beforeAll(async () => {
  world = await openDoorWorld()
  id = await world.sandbox()
  await put('/srv/config', 'port=80\nhost=here\n')
  before = await snapshot('before')
  await put('/srv/config', 'port=81\nhost=here\n')
  await put('/srv/app/new', 'new')
  after = await snapshot('after')
})
afterAll(() => world[Symbol.asyncDispose]())

const put = (path: string, body: string) =>
  world.call('PUT', `/sandboxes/${id}/files/content?${new URLSearchParams({ path })}`, { body })
async function snapshot(name: string): Promise<string> {
  return (await jsonOf(await world.post(`/sandboxes/${id}/snapshots`, { kind: 'memory', name }))).id as string
}
const files = (what: string, query: Record<string, string> = {}, headers: Record<string, string> = {}) =>
  world.get(`/snapshots/${before}/files${what}?${new URLSearchParams(query)}`, headers)

describe('the files of a snapshot', () => {
  it('are listed in pages', async () => {
    const first = await jsonOf(await world.get('/snapshots/after/files?path=/srv&depth=2&limit=2'))
    expect(first).toMatchObject({
      items: [
        { path: '/srv/app', type: 'directory' },
        { path: '/srv/app/new', mode: '0644' },
      ],
    })
    const query = new URLSearchParams({ path: '/srv', depth: '2', cursor: String(first.nextCursor) })
    expect(await jsonOf(await world.get(`/snapshots/after/files?${query}`))).toMatchObject({
      ...{ items: [{ path: '/srv/config' }], nextCursor: null },
    })
    expect(await jsonOf(await files('/stat', { path: '/srv/config' }))).toMatchObject({ sizeBytes: 18 })
  })

  it('are read, all of them or a range', async () => {
    const whole = await files('/content', { path: '/srv/config' })
    expect([whole.status, await whole.text()]).toEqual([200, 'port=80\nhost=here\n'])
    expect([whole.headers.get('content-length'), whole.headers.get('accept-ranges')]).toEqual(['18', 'bytes'])
    const part = await files('/content', { path: '/srv/config' }, { range: 'bytes=5-6' })
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 5-6/18', '80'])
    const end = await files('/content', { path: '/srv/config' }, { range: 'bytes=-5' })
    expect([end.status, await end.text()]).toEqual([206, 'here\n'])
    expect((await files('/content', { path: '/srv/config' }, { range: 'bytes=99-' })).status).toBe(416)
  })

  it('are searched, and given as an archive', async () => {
    expect(await jsonOf(await files('/search', { content: 'host' }))).toMatchObject({
      items: [{ file: { path: '/srv/config' }, line: 2, text: 'host=here' }],
      incomplete: null,
    })
    const archive = await files('/archive', { path: '/srv' })
    expect(archive.headers.get('content-type')).toBe('application/x-tar')
    expect(archive.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''srv.tar")
    expect((await archive.text()).startsWith('srv/')).toBe(true)
  })

  it('are copied into a sandbox', async () => {
    const body = { snapshot: before, path: '/srv/config', destination: '/srv/copy/' }
    const copied = await world.post(`/sandboxes/${id}/files/copy-from`, body)
    expect([copied.status, await jsonOf(copied)]).toEqual([200, { entries: 1, bytes: 18 }])
    const read = await world.get(`/sandboxes/${id}/files/content?path=/srv/copy/config`)
    expect(await read.text()).toBe('port=80\nhost=here\n')
  })

  it.each([
    ['', { path: '/nowhere' }, 404, 'guest_error'],
    ['/content', { path: '/srv' }, 422, 'guest_error'],
    ['', { path: 'relative' }, 400, 'invalid_argument'],
    ['', { path: '/srv', cursor: 'none' }, 400, 'invalid_argument'],
    ['', { path: '/srv', depth: '65' }, 400, 'invalid_argument'],
    ['/search', {}, 400, 'invalid_argument'],
    ['/search', { name: 'x', limit: '1001' }, 400, 'invalid_argument'],
    ['/content', { path: '/a\0b' }, 400, 'invalid_argument'],
  ] as const)('%s with %j is refused', async (what, query, status, code) => {
    const response = await files(what, query)
    expect([response.status, (await jsonOf(response)).code]).toEqual([status, code])
  })
})

describe('a comparison', () => {
  it('tells what is different in the other', async () => {
    expect(await jsonOf(await world.get(`/snapshots/${before}/diff/${after}`))).toMatchObject({
      before: { snapshotId: before, sandboxId: null },
      after: { snapshotId: after },
      files: {
        added: [
          { path: '/srv/app', before: null },
          { path: '/srv/app/new', after: { sizeBytes: 3, mode: '0644' } },
        ],
        changed: [{ path: '/srv/config', differs: ['content'], before: { sizeBytes: 18 } }],
        counts: { added: 2, removed: 0, changed: 1 },
        truncated: false,
        incomplete: null,
      },
      processes: { started: [], ended: [] },
      ports: { opened: [], closed: [] },
      memory: [],
    })
    const inSandbox = await jsonOf(await world.get(`/sandboxes/${id}/diff/before?path=/srv/config`))
    expect(inSandbox).toMatchObject({ after: { sandboxId: id }, files: { counts: { changed: 1 } } })
    expect(await jsonOf(await world.get(`/snapshots/${before}/census`))).toMatchObject({
      census: { processes: [], ports: [], truncated: false },
    })
  })

  it('tells the difference of one text', async () => {
    const unified = '--- a/srv/config\n+++ b/srv/config\n@@ -1,2 +1,2 @@\n-port=80\n+port=81\n host=here\n'
    for (const url of [`/snapshots/${before}/diff/${after}`, `/sandboxes/${id}/diff/${before}`]) {
      const told = await jsonOf(await world.get(`${url}/text?path=/srv/config`))
      expect(told).toMatchObject({ path: '/srv/config', outcome: 'text', unified, before: { mode: '0644' } })
    }
    expect((await world.get(`/snapshots/${before}/diff/${after}/text?path=/nowhere`)).status).toBe(404)
  })
})
