import { request } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { type FileInfo, type Guest, SpawnpointError } from '@spawnpoint/core'
import { ANSWERS } from '@spawnpoint/door-kit'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type DoorWorld, eventsOf, jsonOf, linesOf, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
let id: string
beforeAll(async () => {
  world = await openDoorWorld()
  id = await world.sandbox()
})
afterAll(() => world[Symbol.asyncDispose]())

const at = (what: string, query: Record<string, string>) =>
  `/sandboxes/${id}/files${what}?${new URLSearchParams(query)}`
const put = (path: string, body: string | Uint8Array<ArrayBuffer>, query: Record<string, string> = {}) =>
  world.call('PUT', at('/content', { path, ...query }), { body })
const read = (path: string, range?: string) => world.get(at('/content', { path }), range === undefined ? {} : { range })

it.each(['files?path=/home/user/many', 'processes'])(
  'a long list waits for room, as other answers do: %s',
  async (list) => {
    const own = await world.sandbox()
    const guest = await world.guest(own)
    for (let n = 0; n < 40; n += 1) {
      const long = `${n}`.padEnd(4_000, 'x')
      await guest.files.write(`/home/user/many/${long}`, Readable.from([]))
      await guest.processes.start({ args: ['holder', long], env: {}, stdin: true })
    }
    const take = vi.spyOn(ANSWERS, 'take')
    try {
      using others = ANSWERS.lease(world.by.teamId)
      for (let bytes = 2 ** 28; bytes >= 1; bytes /= 2) others.take(bytes)
      take.mockClear()
      const answer = world.get(`/sandboxes/${own}/${list}`)
      await expect.poll(() => take.mock.results.map(({ value }) => value)).toContain(false)
      others[Symbol.dispose]()
      expect((await jsonOf(await answer)).items).toHaveLength(40)
    } finally {
      take.mockRestore()
    }
  },
)

describe('files', () => {
  it('are written, seen, moved and removed', async () => {
    const written = await put('/home/user/tree/a/hello.txt', 'hello', { mode: '0600', user: 'user' })
    expect([written.status, await jsonOf(written)]).toMatchObject([
      200,
      { path: '/home/user/tree/a/hello.txt', sizeBytes: 5, mode: '0600', owner: 'user' },
    ])
    expect(await jsonOf(await world.get(at('/stat', { path: '/home/user/tree/a/hello.txt' })))).toMatchObject({
      type: 'file',
      name: 'hello.txt',
    })
    expect((await put('/home/user/tree/a/hello.txt', '!', { append: 'true' })).status).toBe(200)
    expect((await put('/home/user/tree/a/hello.txt', '', { exclusive: 'true' })).status).toBe(409)
    const content = await read('/home/user/tree/a/hello.txt')
    expect(content.headers.get('content-type')).toBe('application/octet-stream')
    expect(content.headers.get('x-content-type-options')).toBe('nosniff')
    expect([content.headers.get('content-length'), await content.text()]).toEqual(['6', 'hello!'])

    const made = await world.post(`/sandboxes/${id}/files/mkdir`, { path: '/home/user/tree/b/c', mode: '750' })
    expect([made.status, await jsonOf(made)]).toMatchObject([201, { type: 'directory', mode: '0750' }])
    const moved = await world.post(`/sandboxes/${id}/files/move`, {
      from: '/home/user/tree/a/hello.txt',
      to: '/home/user/tree/b/c/moved.txt',
    })
    expect([moved.status, (await jsonOf(moved)).path]).toEqual([200, '/home/user/tree/b/c/moved.txt'])
    expect(
      (await world.post(`/sandboxes/${id}/files/chmod`, { path: '/home/user/tree/b/c/moved.txt', mode: '0755' }))
        .status,
    ).toBe(204)
    expect(
      (await world.post(`/sandboxes/${id}/files/chown`, { path: '/home/user/tree/b/c/moved.txt', owner: 'root' }))
        .status,
    ).toBe(204)
    expect(await jsonOf(await world.get(at('/stat', { path: '/home/user/tree/b/c/moved.txt' })))).toMatchObject({
      mode: '0755',
      owner: 'root',
    })

    const listed = await jsonOf(await world.get(at('', { path: '/home/user/tree', depth: '3' })))
    expect(listed.items.map((file: FileInfo) => file.path)).toEqual([
      '/home/user/tree/a',
      '/home/user/tree/b',
      '/home/user/tree/b/c',
      '/home/user/tree/b/c/moved.txt',
    ])
    expect(listed.truncated).toBe(false)
    expect(await jsonOf(await world.get(at('', { path: '/home/user/tree', depth: '3', limit: '2' })))).toMatchObject({
      items: [{ path: '/home/user/tree/a' }, { path: '/home/user/tree/b' }],
      truncated: true,
    })
    expect((await world.call('DELETE', at('', { path: '/home/user/tree/b', recursive: 'true' }))).status).toBe(204)
    expect((await read('/home/user/tree/b/c/moved.txt')).status).toBe(404)
  })

  it('keep extended attributes', async () => {
    await put('/home/user/x', '')
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ attributes: { 'user.origin': 'test' } })
    expect((await world.call('PUT', at('/xattrs', { path: '/home/user/x' }), { headers, body })).status).toBe(204)
    expect(await jsonOf(await world.get(at('/xattrs', { path: '/home/user/x' })))).toEqual({
      attributes: { 'user.origin': 'test' },
    })
  })

  it('of the guest are refused in its own words', async () => {
    const response = await read('/nothing')
    expect(response.status).toBe(404)
    expect(await jsonOf(response)).toMatchObject({ code: 'guest_error', context: { errno: 'ENOENT' } })
  })

  it.each([
    [{ path: '' }, 'query.path'],
    [{ path: 'a\0b' }, 'query.path'],
    [{ path: 'x'.repeat(4097) }, 'query.path'],
    [{ path: '/x', mode: '0999' }, 'query.mode'],
    [{ path: '/x', mod: '0644' }, 'query.mod'],
  ])('are not written with %o', async (query, path) => {
    const response = await world.call('PUT', at('/content', query as unknown as Record<string, string>), { body: 'x' })
    expect((await jsonOf(response)).context.issues[0].path).toBe(path)
  })
})

describe('content', () => {
  it.each([
    ['bytes=0-3', 206, 'abcd', 'bytes 0-3/10'],
    ['bytes=8-', 206, 'ij', 'bytes 8-9/10'],
    ['bytes=8-100', 206, 'ij', 'bytes 8-9/10'],
    ['bytes=-3', 206, 'hij', 'bytes 7-9/10'],
    ['bytes=-30', 206, 'abcdefghij', 'bytes 0-9/10'],
    ['bytes=0-1,4-5', 200, 'abcdefghij', null],
    ['bytes=5-2', 200, 'abcdefghij', null],
    ['lines=1-2', 200, 'abcdefghij', null],
  ])('of %s is answered with %i', async (range, status, text, place) => {
    await put('/home/user/letters', 'abcdefghij')
    const response = await read('/home/user/letters', range)
    expect([response.status, await response.text(), response.headers.get('content-range')]).toEqual([
      status,
      text,
      place,
    ])
    expect(response.headers.get('content-length')).toBe(String(text.length))
  })

  it.each(['bytes=10-', 'bytes=99-100', 'bytes=-0'])('beyond the end, %s, is refused with the size', async (range) => {
    await put('/home/user/letters', 'abcdefghij')
    const response = await read('/home/user/letters', range)
    expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */10'])
    expect(response.headers.get('content-type')).toContain('application/problem+json')
  })

  it('of any size goes in and out, streamed', async () => {
    const size = 40_000_000
    const pieces = Readable.from(
      (function* () {
        for (let sent = 0; sent < size; sent += 1_000_000) yield Buffer.alloc(1_000_000, sent / 1_000_000)
      })(),
    )
    const body = Readable.toWeb(pieces) as ReadableStream<Uint8Array<ArrayBuffer>>
    const written = await world.call('PUT', at('/content', { path: '/tmp/large' }), { body, duplex: 'half' })
    expect([written.status, (await jsonOf(written)).sizeBytes]).toEqual([200, size])
    let received = 0
    for await (const chunk of (await read('/tmp/large')).body as ReadableStream<Uint8Array>) received += chunk.length
    expect(received).toBe(size)
  })

  it('that the client never finished is not written', async () => {
    const req = request(`${world.url}/v1${at('/content', { path: '/home/user/half' })}`, {
      method: 'PUT',
      headers: world.withKey({ 'content-length': '1000' }),
    })
    req.on('error', () => {})
    req.write('x'.repeat(500))
    await expect
      .poll(() =>
        world.host.faults.log.some((call) => call.step === 'guest.files.write' && call.detail === '/home/user/half'),
      )
      .toBe(true)
    req.destroy()
    await expect.poll(async () => (await read('/home/user/half')).status).toBe(404)
    expect(world.failures).toEqual([])
  })

  it('that is refused early still lets the client read why', async () => {
    const response = await rawPut(at('/content', { path: '/proc/x', mode: '9' }), 'x'.repeat(3_000_000))
    expect(response).toMatch(/^HTTP\/1.1 400 /)
    expect(response).toContain('invalid_argument')
  })

  it('that the guest refuses halfway still lets the client read why', async () => {
    const { files } = await world.guest(id)
    const honest = files.write
    files.write = async (_path, body) => {
      for await (const _ of body) break
      throw new SpawnpointError('guest_error', 'No space left on device', { errno: 'ENOSPC' })
    }
    const response = await rawPut(at('/content', { path: '/home/user/full' }), 'x'.repeat(3_000_000))
    files.write = honest
    expect(response).toMatch(/^HTTP\/1.1 507 /)
    expect(response).toContain('"errno":"ENOSPC"')
    world.failures.length = 0
  })

  it('never runs over into the next answer', async () => {
    const guest = await world.guest(id)
    const lie = async (claimed: number, given: string) => {
      await put('/home/user/lie', 'x')
      using _ = lying(guest, claimed, given)
      const response = await read('/home/user/lie')
      return response.text().catch(() => 'broken off')
    }
    expect(await lie(4, 'abcdefgh')).toBe('abcd')
    expect(await lie(9, 'abc')).toBe('broken off')
    expect(await lie(0, 'made up by the kernel')).toBe('made up by the kernel')
  })
})

describe('watching', () => {
  it('tells of changes as events and as lines', async () => {
    await world.post(`/sandboxes/${id}/files/mkdir`, { path: '/home/user/watched' })
    const query = { path: '/home/user/watched', recursive: 'true' }
    const leave = new AbortController()
    const events = eventsOf(await world.call('GET', at('/watch', query), { signal: leave.signal }))
    const lines = linesOf(
      await world.call('GET', at('/watch', query), {
        headers: { accept: 'application/x-ndjson' },
        signal: leave.signal,
      }),
    )
    expect(((await events.next()).value as { event: string }).event).toBe('ready')
    await put('/home/user/watched/deep/file', 'x')
    expect((await events.next()).value).toMatchObject({
      event: 'change',
      data: { type: 'created', path: '/home/user/watched/deep' },
    })
    expect((await lines.next()).value).toMatchObject({ type: 'created', path: '/home/user/watched/deep' })
    leave.abort()
  })

  it('refuses what is not there', async () => {
    expect((await world.get(at('/watch', { path: '/nothing' }))).status).toBe(404)
  })
})

/** Makes the guest claim one size and send something else. */
function lying(guest: Guest, claimed: number, given: string): Disposable {
  const { files } = guest
  const honest = files.read
  files.read = async (...args) => {
    const { info } = await honest.apply(files, args)
    return { info: { ...info, sizeBytes: claimed }, body: Readable.from([Buffer.from(given)]) }
  }
  return {
    [Symbol.dispose]() {
      files.read = honest
    },
  }
}

/** Sends all of the body before reading, as simple clients do. */
function rawPut(path: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(world.port, '127.0.0.1')
    socket.on('error', reject)
    const lines = [
      `PUT /v1${path} HTTP/1.1`,
      'Host: x',
      `Authorization: Bearer ${world.key}`,
      `Content-Length: ${body.length}`,
      'Connection: close',
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer))
    socket.write(body)
  })
}
