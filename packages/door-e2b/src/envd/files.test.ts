import { request } from 'node:http'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type EnvdWorld, openEnvdWorld } from './testing/envd-world.ts'

let world: EnvdWorld
let id: string
let dir: string
let count = 0
beforeAll(async () => {
  world = await openEnvdWorld()
  id = (await world.sandbox()).id
})
afterAll(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})
beforeEach(async () => {
  dir = `/tmp/files-${count++}`
  await (await world.guest(id)).files.mkdir(dir)
})

const files = (query: Record<string, string>) => `/files?${new URLSearchParams(query)}`
const get = (path: string, headers: Record<string, string> = {}) =>
  world.ask(files({ path }), { headers: { ...world.withToken(id), ...headers } })
const put = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}, query = {}) =>
  world.ask(files({ path, ...query }), {
    method: 'POST',
    headers: { ...world.withToken(id), 'content-type': 'application/octet-stream', ...headers },
    body,
  })
const stat = async (path: string) => (await world.guest(id)).files.stat(path, { xattrs: 'user.' })

/** A form as a browser sends it; its type carries the boundary. */
async function form(
  parts: [name: string, content: string | Uint8Array, field?: string][],
  query: Record<string, string> = {},
) {
  const data = new FormData()
  for (const [name, content, field = 'file'] of parts)
    data.append(field, new Blob([typeof content === 'string' ? content : new Uint8Array(content)]), name)
  const response = new Response(data)
  return world.ask(files(query), {
    method: 'POST',
    headers: { ...world.withToken(id), 'content-type': response.headers.get('content-type') ?? '' },
    body: Buffer.from(await response.arrayBuffer()),
  })
}

describe('download', () => {
  beforeEach(() => put(`${dir}/ü name.txt`, 'hello world'))

  it('says what there is to say without the bytes, if asked', async () => {
    const head = (path: string) => world.ask(files({ path }), { method: 'HEAD', headers: world.withToken(id) })
    const { status, headers, body } = await head(`${dir}/ü name.txt`)
    expect([status, headers['content-length'], headers['content-type'], body.length]).toEqual([
      200,
      '11',
      'text/plain',
      0,
    ])
    expect((await head(`${dir}/none`)).status).toBe(404)
    expect((await head(dir)).status).toBe(400)
  })

  it('gives the bytes, and what there is to know of them', async () => {
    const { status, headers, body } = await get(`${dir}/ü name.txt`)
    expect([status, body.toString()]).toEqual([200, 'hello world'])
    expect(headers).toMatchObject({
      'content-type': 'text/plain',
      'content-length': '11',
      'content-disposition': "inline; filename*=utf-8''%C3%BC%20name.txt",
      vary: 'Accept-Encoding',
      'last-modified': expect.any(String),
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
    })
    await put(`${dir}/plain.bin`, 'x')
    expect((await get(`${dir}/plain.bin`)).headers['content-disposition']).toBe('inline; filename=plain.bin')
  })

  it('of some size is whole', async () => {
    const data = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7) % 256))
    await put(`${dir}/big`, data)
    expect((await get(`${dir}/big`)).body.equals(data)).toBe(true)
    await put(`${dir}/empty`, '')
    expect((await get(`${dir}/empty`)).body).toHaveLength(0)
  })

  it.each([
    ['bytes=0-4', 206, 'hello', 'bytes 0-4/11'],
    ['bytes=6-', 206, 'world', 'bytes 6-10/11'],
    ['bytes=-5', 206, 'world', 'bytes 6-10/11'],
    ['bytes=-100', 206, 'hello world', 'bytes 0-10/11'],
    ['bytes=9-100', 206, 'ld', 'bytes 9-10/11'],
    ['bytes=11-', 416, '', 'bytes */11'],
    ['bytes=-0', 416, '', 'bytes */11'],
    ['bytes=5-2', 200, 'hello world', undefined],
    ['bytes=0-1,3-4', 200, 'hello world', undefined],
    ['lines=1-2', 200, 'hello world', undefined],
  ])('of the range %s', async (range, status, text, contentRange) => {
    const answer = await get(`${dir}/ü name.txt`, { range, 'accept-encoding': 'gzip' })
    const body = answer.headers['content-encoding'] === 'gzip' ? gunzipSync(answer.body) : answer.body
    expect([answer.status, body.toString(), answer.headers['content-range']]).toEqual([status, text, contentRange])
  })

  it('is told when nothing has changed', async () => {
    const path = `${dir}/ü name.txt`
    const modified = (await get(path)).headers['last-modified'] ?? ''
    const earlier = new Date(Date.parse(modified) - 60_000).toUTCString()
    const status = async (headers: Record<string, string>) => (await get(path, headers)).status
    expect(await status({ 'if-modified-since': modified })).toBe(304)
    expect(await status({ 'if-modified-since': earlier })).toBe(200)
    expect(await status({ 'if-unmodified-since': earlier })).toBe(412)
    expect(await status({ 'if-unmodified-since': modified })).toBe(200)
    expect(await status({ range: 'bytes=0-1', 'if-range': modified })).toBe(206)
    expect(await status({ range: 'bytes=0-1', 'if-range': earlier })).toBe(200)
    expect(await status({ range: 'bytes=0-1', 'if-range': '"tag"' })).toBe(200)
    expect(await status({ 'if-none-match': '*' })).toBe(304)
    expect(await status({ 'if-match': '"tag"' })).toBe(412)
  })

  it('is compressed for who asks for nothing else', async () => {
    const path = `${dir}/ü name.txt`
    const gzip = await get(path, { 'accept-encoding': 'gzip' })
    expect([gzip.headers['content-encoding'], gunzipSync(gzip.body).toString()]).toEqual(['gzip', 'hello world'])
    for (const accepted of ['gzip, deflate', 'br, gzip, deflate', 'identity', '', 'gzip;q=0'])
      expect((await get(path, { 'accept-encoding': accepted })).headers['content-encoding']).toBeUndefined()
    expect((await get(path, { 'accept-encoding': 'gzip, identity;q=0' })).headers['content-encoding']).toBe('gzip')
    const neither = await get(path, { 'accept-encoding': 'br, identity;q=0' })
    expect([neither.status, neither.json().code]).toEqual([406, 406])
  })

  it('of what is no file says why not', async () => {
    const refused = async (path: string, query = {}) => {
      const { status, json } = await world.ask(files({ path, ...query }), { headers: world.withToken(id) })
      return [status, json()]
    }
    expect(await refused(`${dir}/missing`)).toEqual([
      404,
      { code: 404, message: `path '${dir}/missing' does not exist` },
    ])
    expect(await refused(dir)).toEqual([400, { code: 400, message: `path '${dir}' is a directory` }])
    expect(await refused('')).toMatchObject([400, { message: "path '/home/user' is a directory" }])
    expect(await refused('x', { username: 'nosuch' })).toMatchObject([
      401,
      { message: expect.stringContaining("looking up user 'nosuch'") },
    ])
  })

  it('breaks off where the guest does not give what it promised', async () => {
    const guest = await world.guest(id)
    const real = guest.files.read.bind(guest.files)
    for (const [promised, whole] of [
      [20, false],
      [5, true],
    ] as const) {
      guest.files.read = async (path, options) => {
        const { info, body } = await real(path, options)
        return { info: { ...info, sizeBytes: promised }, body }
      }
      const got = get(`${dir}/ü name.txt`).then(
        (answer) => answer.body.toString(),
        (error) => error.code,
      )
      expect(await got).toBe(whole ? 'hello' : 'ECONNRESET')
    }
    guest.files.read = real
  })
})

describe('upload', () => {
  it('of a body writes it, with parents, as the user', async () => {
    const path = `${dir}/a/b/file`
    const { status, json } = await put(path, 'hello')
    expect([status, json()]).toEqual([200, [{ name: 'file', path, type: 'file' }]])
    expect(await stat(path)).toMatchObject({ owner: 'user', mode: 0o644, sizeBytes: 5 })
    expect(await stat(`${dir}/a`)).toMatchObject({ owner: 'user' })
    await put(`${dir}/roots`, 'x', {}, { username: 'root' })
    expect(await stat(`${dir}/roots`)).toMatchObject({ owner: 'root' })
    expect((await put('at-home', 'x')).json()[0].path).toBe('/home/user/at-home')
  })

  it('of a form writes each file under its full name', async () => {
    const { status, json } = await form([
      [`${dir}/one`, 'first'],
      [`${dir}/sub/zwei ü`, 'second'],
      ['ignored', 'x', 'other'],
    ])
    expect([status, json()]).toEqual([
      200,
      [
        { name: 'one', path: `${dir}/one`, type: 'file' },
        { name: 'zwei ü', path: `${dir}/sub/zwei ü`, type: 'file' },
      ],
    ])
    expect((await get(`${dir}/sub/zwei ü`)).body.toString()).toBe('second')
  })

  it('of a form with many files answers in their order', async () => {
    const names = Array.from({ length: 100 }, (_, n) => `${dir}/${n}`)
    const { json } = await form(names.map((name) => [name, name]))
    expect(json().map(({ path }: { path: string }) => path)).toEqual(names)
    expect((await get(`${dir}/99`)).body.toString()).toBe(`${dir}/99`)
  })

  it('of a form with one file writes it where the path says', async () => {
    const data = Buffer.from(Uint8Array.from({ length: 1_000_000 }, (_, i) => i % 251))
    expect((await form([['blob', data]], { path: `${dir}/target` })).json()[0].path).toBe(`${dir}/target`)
    expect((await get(`${dir}/target`)).body.equals(data)).toBe(true)
  })

  it('does not write one path twice', async () => {
    const { status, json } = await form(
      [
        ['a', '1'],
        ['b', '2'],
      ],
      { path: `${dir}/same` },
    )
    expect([status, json().message]).toEqual([400, `cannot upload multiple files to same path '${dir}/same'`])
    expect(
      (
        await form([
          [`${dir}/x`, '1'],
          [`${dir}/x`, '2'],
        ])
      ).status,
    ).toBe(400)
  })

  it('takes gzip', async () => {
    await put(`${dir}/z`, gzipSync('unpacked'), { 'content-encoding': 'gzip' })
    expect((await get(`${dir}/z`)).body.toString()).toBe('unpacked')
    const whole = gzipSync(Buffer.alloc(100_000, 'abc'))
    for (const bad of [Buffer.from('no gzip'), whole.subarray(0, whole.length - 20)]) {
      const { status, json } = await put(`${dir}/bad`, bad, { 'content-encoding': 'gzip' })
      expect([status, json().message]).toEqual([400, 'the body is not gzip'])
    }
    expect((await put(`${dir}/bad`, 'x', { 'content-encoding': 'br' })).status).toBe(400)
    expect((await get(`${dir}/bad`)).status).toBe(404)
  })

  it('keeps metadata, and only that of the last upload', async () => {
    const { json } = await put(`${dir}/m`, 'x', { 'X-Metadata-Kind': 'note', 'X-Metadata-By': 'me' })
    expect(json()[0].metadata).toEqual({ kind: 'note', by: 'me' })
    expect((await stat(`${dir}/m`)).xattrs).toEqual({ 'user.e2b.kind': 'note', 'user.e2b.by': 'me' })
    expect((await put(`${dir}/m`, 'y')).json()).toEqual([{ name: 'm', path: `${dir}/m`, type: 'file' }])
    expect((await stat(`${dir}/m`)).xattrs).toEqual({})
  })

  it.each([
    ['a key too long', { [`x-metadata-${'k'.repeat(247)}`]: 'x' }],
    ['no key', { 'x-metadata-': 'x' }],
    ['a value that is not ASCII', { 'x-metadata-a': 'ü' }],
    ['too much', { 'x-metadata-a': 'x'.repeat(4096) }],
  ])('with metadata of %s is refused', async (_, headers) => {
    expect((await put(`${dir}/m`, 'x', headers)).status).toBe(400)
    expect((await get(`${dir}/m`)).status).toBe(404)
  })

  it.each([
    ['to a directory', () => put(dir, 'x'), 400],
    ['without a path', () => put('', 'x'), 400],
    ['by a user that is not there', () => put(`${dir}/x`, 'x', {}, { username: 'nosuch' }), 401],
    ['of another type', () => put(`${dir}/x`, 'x', { 'content-type': 'text/plain' }), 400],
    ['of a form without a boundary', () => put(`${dir}/x`, 'x', { 'content-type': 'multipart/form-data' }), 400],
    [
      'of a form that is none',
      () => put(`${dir}/x`, 'garbage', { 'content-type': 'multipart/form-data; boundary=b' }),
      400,
    ],
    [
      'of a form that ends early',
      () =>
        put('', `--b\r\nContent-Disposition: form-data; name="file"; filename="/tmp/early"\r\n\r\nhalf`, {
          'content-type': 'multipart/form-data; boundary=b',
        }),
      400,
    ],
  ])('%s is refused', async (_, ask, status) => {
    const answer = await ask()
    expect([answer.status, answer.json().code]).toEqual([status, status])
    for (const path of [`${dir}/x`, '/tmp/early']) expect((await get(path)).status).toBe(404)
  })

  it('below what is no directory is told so', async () => {
    expect((await put(`${dir}/plain`, 'x')).status).toBe(200)
    const { status, json } = await put(`${dir}/plain/below`, 'x')
    expect([status, json().message]).toEqual([400, expect.stringContaining('is below a file')])
    expect((await get(`${dir}/plain/below`)).status).toBe(404)
  })

  it('that does not fit is told so', async () => {
    const box = await world.sandbox({ resources: { diskBytes: 64 * 2 ** 20 } })
    const { status, json } = await world.ask(files({ path: '/home/user/big' }), {
      method: 'POST',
      headers: { ...world.withToken(box.id), 'content-type': 'application/octet-stream' },
      body: Buffer.alloc(65 * 2 ** 20),
    })
    expect([status, json().code]).toEqual([507, 507])
  })

  it('whose client leaves is not written', async () => {
    const guest = await world.guest(id)
    const real = guest.files.write.bind(guest.files)
    for (const type of ['application/octet-stream', 'multipart/form-data; boundary=b']) {
      const ended = Promise.withResolvers<unknown>()
      const begun = Promise.withResolvers<void>()
      guest.files.write = (path, body, options) => {
        begun.resolve()
        const written = real(path, body, options)
        written.then(ended.resolve, ended.resolve)
        return written
      }
      const headers = { ...world.withToken(id), 'content-type': type, 'transfer-encoding': 'chunked' }
      const path = files({ path: `${dir}/left` })
      const req = request({ host: '127.0.0.1', port: world.port, path, method: 'POST', headers })
      req.on('error', () => {})
      req.write('--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhalf')
      await begun.promise
      req.destroy()
      expect(await ended.promise).toBeInstanceOf(Error)
    }
    guest.files.write = real
    expect((await guest.files.list(dir, { depth: 1, limit: 9 })).length).toBe(0)
  })
})

describe('composing', () => {
  const compose = (body: object) =>
    world.ask('/files/compose', { method: 'POST', headers: world.withToken(id), body: JSON.stringify(body) })

  it('makes one file of several, which are then gone', async () => {
    await put(`${dir}/1`, 'one ')
    await put(`${dir}/2`, 'two')
    const { status, json } = await compose({ source_paths: [`${dir}/1`, `${dir}/2`], destination: `${dir}/all` })
    expect([status, json()]).toEqual([200, { name: 'all', path: `${dir}/all`, type: 'file' }])
    expect((await get(`${dir}/all`)).body.toString()).toBe('one two')
    expect((await get(`${dir}/1`)).status).toBe(404)
  })

  it('changes nothing if a part is missing', async () => {
    await put(`${dir}/1`, 'one')
    const { status, json } = await compose({ source_paths: [`${dir}/1`, `${dir}/2`], destination: `${dir}/all` })
    expect([status, json().message]).toEqual([404, `path '${dir}/2' does not exist`])
    expect((await get(`${dir}/1`)).status).toBe(200)
    expect((await get(`${dir}/all`)).status).toBe(404)
  })

  it('may write over one of its parts', async () => {
    await put(`${dir}/1`, 'one ')
    await put(`${dir}/2`, 'two')
    await compose({ source_paths: [`${dir}/1`, `${dir}/2`], destination: `${dir}/1` })
    expect((await get(`${dir}/1`)).body.toString()).toBe('one two')
  })

  it('says what a request lacks', async () => {
    for (const bad of [{}, { source_paths: [], destination: 'x' }, { source_paths: 'x', destination: 'y' }])
      expect((await compose(bad)).status).toBe(400)
  })
})

it('a path that no file can have is refused as that', async () => {
  const said = async (answer: Promise<{ status: number; body: Buffer }>) => {
    const { status, body } = await answer
    return [status, JSON.parse(body.toString()).message]
  }
  const nul = [400, 'path must not contain NUL']
  expect(await said(get(`${dir}/a\0b`))).toEqual(nul)
  expect(await said(put(`${dir}/a\0b`, 'x'))).toEqual(nul)
})
