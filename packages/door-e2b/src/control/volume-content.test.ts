import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ControlWorld, openControlWorld } from './testing/control-world.ts'

let world: ControlWorld
let id: string
let token: string
beforeAll(async () => {
  world = await openControlWorld()
  const { body } = await world.post('/e2b/volumes', { name: 'data' })
  id = body.volumeID
  token = body.token
  expect(body.domain).toMatch(/^localhost:\d+$/)
})
afterAll(() => world?.[Symbol.asyncDispose]())

/** Without the key: the token of the volume is all that its clients send. */
async function call(method: string, what: string, query: Record<string, string>, body?: string, bearer = token) {
  const response = await fetch(`${world.url}/volumecontent/${id}/${what}?${new URLSearchParams(query)}`, {
    method,
    headers: { authorization: `Bearer ${bearer}` },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text.startsWith('{') ? JSON.parse(text) : null,
  }
}
const list = async (path: string, depth?: string) => {
  const { text } = await call('GET', 'dir', { path, ...(depth === undefined ? {} : { depth }) })
  return (JSON.parse(text) as { path: string }[]).map((entry) => entry.path)
}

it('writes, reads, lists, changes and removes with the token alone', async () => {
  const made = await call('PUT', 'file', { path: '/a/b', force: 'true', uid: '5', mode: String(0o640) }, 'text')
  expect(made).toMatchObject({
    status: 201,
    json: { name: 'b', type: 'file', path: '/a/b', size: 4, uid: 5, mode: 0o640 },
  })
  for (const time of ['atime', 'mtime', 'ctime']) expect(Date.parse(made.json[time])).not.toBeNaN()
  const read = await call('GET', 'file', { path: 'a/b' })
  expect(read).toMatchObject({ status: 200, text: 'text' })
  expect(read.headers.get('content-type')).toBe('application/octet-stream')
  expect(await call('POST', 'dir', { path: '/a/d' })).toMatchObject({
    status: 201,
    json: { type: 'directory', size: 0, mode: 0o777, uid: 1000, gid: 1000 },
  })
  expect(await list('/')).toEqual(['/a'])
  expect(await list('/', '0')).toEqual(['/a'])
  expect(await list('/', '2')).toEqual(['/a', '/a/b', '/a/d'])
  const changed = await fetch(`${world.url}/e2b/volumecontent/${id}/path?path=/a/b`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ gid: 6 }),
  })
  expect(await changed.json()).toMatchObject({ uid: 5, gid: 6, mode: 0o640 })
  expect(await call('DELETE', 'path', { path: '/a' })).toMatchObject({ status: 204 })
  expect(await call('GET', 'path', { path: '/a' })).toMatchObject({ status: 404, json: { code: 'path_not_found' } })
})

it('tells of a mode what chmod can set, the sticky bit too', async () => {
  const made = await call('POST', 'dir', { path: '/sticky', mode: String(0o1777) })
  expect(made).toMatchObject({ status: 201, json: { mode: 0o1777 } })
  expect(await call('GET', 'path', { path: '/sticky' })).toMatchObject({ json: { mode: 0o1777 } })
})

it('a file is written over what is there, unless it is not to be', async () => {
  for (const text of ['first', 'second'])
    expect(await call('PUT', 'file', { path: '/twice' }, text)).toMatchObject({ status: 201 })
  expect(await call('PUT', 'file', { path: '/twice', force: 'false' }, 'third')).toMatchObject({ status: 409 })
  expect((await call('GET', 'file', { path: '/twice' })).text).toBe('second')
})

it('an empty file is one', async () => {
  expect(await call('PUT', 'file', { path: '/empty' }, '')).toMatchObject({ status: 201, json: { size: 0 } })
  const read = await call('GET', 'file', { path: '/empty' })
  expect([read.text, read.headers.get('content-length')]).toEqual(['', '0'])
})

it('says what is wrong in words', async () => {
  await call('PUT', 'file', { path: '/f', force: 'true' }, 'kept')
  await call('POST', 'dir', { path: '/d' })
  for (const [method, what, query, status, code] of [
    ['PUT', 'file', { path: '/f', force: 'false' }, 409, 'path_already_exists'],
    ['PUT', 'file', { path: '/none/f' }, 404, 'path_not_found'],
    ['PUT', 'file', { path: '/', force: 'false' }, 409, 'path_already_exists'],
    ['PUT', 'file', { path: '/' }, 400, 'is_a_directory'],
    ['PUT', 'file', { path: '/d' }, 400, 'is_a_directory'],
    ['GET', 'file', { path: '/' }, 400, 'is_a_directory'],
    ['GET', 'file', { path: '/none' }, 404, 'path_not_found'],
    ['GET', 'path', { path: '/f/x' }, 404, 'path_not_found'],
    ['GET', 'dir', { path: '/f' }, 400, 'invalid_argument'],
    ['GET', 'dir', { path: '/f/x' }, 404, 'path_not_found'],
    ['GET', 'dir', { path: '/', depth: '11' }, 400, 'invalid_argument'],
    ['GET', 'dir', { path: '/', depth: 'x' }, 400, 'invalid_argument'],
    ['GET', 'path', {}, 400, 'invalid_argument'],
    ['POST', 'dir', { path: '/f', force: 'true' }, 409, 'path_already_exists'],
    ['POST', 'dir', { path: '/p/q' }, 404, 'path_not_found'],
    ['POST', 'dir', { path: '/p', mode: '99999' }, 400, 'invalid_argument'],
    ['DELETE', 'path', { path: '/' }, 400, 'cannot_delete_root'],
    ['DELETE', 'path', { path: '/none' }, 404, 'path_not_found'],
  ] as const) {
    const answer = await call(method, what, query, method === 'PUT' ? 'x' : undefined)
    expect([method, what, query, answer.status, answer.json]).toEqual([
      ...[method, what, query, status],
      { code, message: expect.any(String) },
    ])
  }
  expect((await call('GET', 'file', { path: '/f' })).text).toBe('kept')
})

it('opens nothing else: not to another token, not another volume, not other calls', async () => {
  const other = (await world.post('/novita/volumes', { name: 'other' })).body
  expect(await call('GET', 'path', { path: '/' }, undefined, other.token)).toMatchObject({
    status: 401,
    json: { code: 'unauthenticated' },
  })
  expect(await call('GET', 'path', { path: '/' }, undefined, 'nonsense')).toMatchObject({ status: 401 })
  expect(await call('GET', 'path', { path: '/' }, undefined, world.key)).toMatchObject({ status: 200 })
  const listed = await fetch(`${world.url}/e2b/volumes`, { headers: { authorization: `Bearer ${token}` } })
  expect(listed.status).toBe(401)
  await world.delete(`/e2b/volumes/${other.volumeID}`)
  const gone = await fetch(`${world.url}/e2b/volumecontent/${other.volumeID}/path?path=/`, {
    headers: { authorization: `Bearer ${other.token}` },
  })
  expect([gone.status, await gone.json()]).toMatchObject([404, { code: 'not_found' }])
})
