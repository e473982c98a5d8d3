import { describe, expect, test } from 'vitest'
import { ConnectionError, InvalidArgumentError, RateLimitError, Spawnpoint, TimeoutError } from './index.ts'
import { json, openStubServer, problem, type Reply, reset, silence } from './testing/stub-server.ts'

const TEAM = { id: 'a'.repeat(24), name: 'main', createdAt: '2026-01-01T00:00:00.000Z' }
const SANDBOX = {
  id: 'b'.repeat(24),
  name: null,
  state: 'running',
  labels: {},
  createdAt: '2026-01-01T00:00:00.000Z',
  startedAt: null,
  expiresAt: null,
  endedAt: null,
}
const QUICK = { baseMs: 2, maxMs: 10 }

async function against(script: Reply[], options: object = {}) {
  const server = await openStubServer(...script)
  return { server, client: new Spawnpoint({ url: server.url, apiKey: 'sp_key', retry: QUICK, ...options }) }
}

describe('repeating', () => {
  test.each([
    ['a reset connection', reset],
    ['unavailable', problem(503, 'unavailable', { reason: 'starting' })],
    ['a proxy without a server', json(502, '<html>')],
    ['too many requests', problem(429, 'rate_limited', { retryAfterMs: 1 })],
    [
      'an answer cut off in the middle',
      ((response) => {
        response.writeHead(200, { 'content-length': '1000' })
        response.write('{"id"', () => response.destroy())
      }) satisfies Reply,
    ],
  ])('GET is repeated after %s', async (_, failure) => {
    const { server, client } = await against([failure, failure, json(200, TEAM)])
    await using _server = server
    expect((await client.keys.team()).name).toBe('main')
    expect(server.received).toHaveLength(3)
  })

  test('ends, with the last error, after so many repeats', async () => {
    const { server, client } = await against([reset], { retry: { ...QUICK, repeats: 2 } })
    await using _server = server
    await expect(client.keys.team()).rejects.toThrow(ConnectionError)
    expect(server.received).toHaveLength(3)
  })

  test('POST carries one idempotency key through all attempts, another in the next call', async () => {
    const { server, client } = await against([reset, reset, json(201, SANDBOX)])
    await using _server = server
    await client.sandboxes.create({ image: 'base' })
    await client.sandboxes.create({ image: 'base' })
    const keys = server.received.map(({ headers }) => headers['idempotency-key'])
    expect(new Set(keys.slice(0, 3)).size).toBe(1)
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
    expect(keys[3]).not.toBe(keys[0])
    expect(new Set(server.received.map(({ body }) => body))).toEqual(new Set(['{"image":"base"}']))
  })

  test('after a broken POST, its own work still under way is waited for', async () => {
    const busy = problem(409, 'operation_in_progress', { resource: 'sandbox', id: 'x', operation: 'y' })
    // More refusals than there are repeats: waiting for one's own work is no failure.
    const { server, client } = await against([reset, ...Array<Reply>(8).fill(busy), json(201, SANDBOX)])
    await using _server = server
    expect((await client.sandboxes.create({ image: 'base' })).id).toBe(SANDBOX.id)
    expect(server.received).toHaveLength(10)
  })

  test('somebody else’s work under way is an error at once', async () => {
    const busy = problem(409, 'operation_in_progress', { resource: 'sandbox', id: 'x', operation: 'y' })
    const { server, client } = await against([busy])
    await using _server = server
    await expect(client.sandboxes.create({ image: 'base' })).rejects.toMatchObject({ name: 'ConflictError' })
    expect(server.received).toHaveLength(1)
  })

  test('what would do harm is not repeated: making a key, input, signals, appending', async () => {
    const { server, client } = await against([json(200, SANDBOX), processJson, reset])
    await using _server = server
    const sandbox = await client.sandboxes.get('x')
    const process = await sandbox.processes.get('p')
    const before = server.received.length
    for (const call of [
      () => client.keys.create({ name: 'k' }),
      () => process.write('text'),
      () => process.kill(),
      () => sandbox.files.write('f', 'text', { append: true }),
      () => sandbox.files.move('a', 'b'),
    ]) {
      await expect(call()).rejects.toThrow(ConnectionError)
    }
    expect(server.received).toHaveLength(before + 5)
  })

  test('a stream is sent once; what is in memory is sent again', async () => {
    const { server, client } = await against([json(200, SANDBOX), reset, reset, json(200, fileJson)])
    await using _server = server
    const { files } = await client.sandboxes.get('x')
    const stream = new Blob(['abc']).stream() as ReadableStream<Uint8Array>
    await expect(files.write('f', stream)).rejects.toThrow(ConnectionError)
    expect(server.received).toHaveLength(2)
    expect((await files.write('f', 'abc')).mode).toBe(0o640)
    expect(server.received.slice(2).map(({ body }) => body)).toEqual(['abc', 'abc'])
  })

  test('DELETE: gone after a broken attempt means that attempt did it', async () => {
    const gone = problem(404, 'not_found', { resource: 'sandbox', ref: 'x' })
    const { server, client } = await against([json(200, SANDBOX), reset, gone])
    await using _server = server
    const sandbox = await client.sandboxes.get('x')
    await sandbox.kill()
    await expect(sandbox.kill()).rejects.toMatchObject({ code: 'not_found' })
  })

  test('nothing listens: any request is repeated, then says so', async () => {
    const { server, client } = await against([], { retry: { ...QUICK, repeats: 1 } })
    await server[Symbol.asyncDispose]()
    const call = client.keys.create({ name: 'k' })
    await expect(call).rejects.toThrow(ConnectionError)
    await expect(call).rejects.toMatchObject({ code: 'connection_failed', context: { attempts: 2 } })
    await expect(call).rejects.toThrow(/No answer from http:\/\/127.0.0.1:\d+: nothing listens there/)
  })

  test('waits as long as the server asks, unless the call would end before', async () => {
    const later = problem(429, 'rate_limited', { retryAfterMs: 120 })
    const { server, client } = await against([later, json(200, TEAM), later])
    await using _server = server
    const startedAt = performance.now()
    await client.keys.team()
    expect(performance.now() - startedAt).toBeGreaterThan(115)
    await expect(client.keys.list({ timeoutMs: 50 }).toArray()).rejects.toThrow(TimeoutError)
    // A proxy that says it in the header alone.
    const { server: proxy, client: behind } = await against([json(429, 'no', { 'retry-after': '3' })])
    await using _proxy = proxy
    await expect(behind.keys.list({ timeoutMs: 1000 }).toArray()).rejects.toThrow(TimeoutError)
    const error = await new Spawnpoint({ url: proxy.url, retry: { repeats: 0 } }).keys.team().catch((thrown) => thrown)
    expect(error).toBeInstanceOf(RateLimitError)
    expect(error.context).toEqual({ retryAfterMs: 3000 })
  })
})

describe('ending a call', () => {
  test('the caller’s reason is what it rejects with, and the request is broken off', async () => {
    const { server, client } = await against([silence])
    await using _server = server
    const aborter = new AbortController()
    const call = client.keys.list({ signal: aborter.signal }).toArray()
    const reason = new Error('no longer wanted')
    const broken = new Promise((resolve) => setTimeout(resolve, 20)).then(() => aborter.abort(reason))
    await expect(call).rejects.toBe(reason)
    await broken
    await expect(client.keys.list({ signal: aborter.signal }).toArray()).rejects.toBe(reason)
    expect(server.received).toHaveLength(1)
  })

  test('also between two attempts', async () => {
    const { server, client } = await against([reset], { retry: { baseMs: 60_000, maxMs: 60_000 }, timeoutMs: 0 })
    await using _server = server
    const call = client.keys.list({ signal: AbortSignal.timeout(30) }).toArray()
    await expect(call).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  test('time runs over all attempts', async () => {
    const { server, client } = await against([silence])
    await using _server = server
    const call = client.keys.list({ timeoutMs: 40 }).toArray()
    await expect(call).rejects.toThrow(TimeoutError)
    await expect(call).rejects.toMatchObject({ code: 'timeout', context: { what: 'GET /v1/keys', timeoutMs: 40 } })
  })

  test('a stream has no limit once it has begun', async () => {
    const slow: Reply = async (response) => {
      response.writeHead(200, { 'content-length': '6' })
      response.write('abc')
      setTimeout(() => response.end('def'), 120)
    }
    const { server, client } = await against([json(200, SANDBOX), slow])
    await using _server = server
    const { files } = await client.sandboxes.get('x')
    let text = ''
    for await (const chunk of files.readStream('f', { timeoutMs: 60 })) text += Buffer.from(chunk).toString()
    expect(text).toBe('abcdef')
  })

  test('a file cut off while it streams is an error', async () => {
    const cut: Reply = (response) => {
      response.writeHead(200, { 'content-length': '6' })
      response.write('abc', () => response.destroy())
    }
    const { server, client } = await against([json(200, SANDBOX), cut])
    await using _server = server
    const { files } = await client.sandboxes.get('x')
    const read = async () => {
      for await (const _chunk of files.readStream('f'));
    }
    await expect(read()).rejects.toThrow(ConnectionError)
  })
})

describe('errors', () => {
  test('carry code, context and status', async () => {
    const issues = [{ path: 'body.name', message: 'Too long' }]
    const { server, client } = await against([problem(400, 'invalid_argument', { issues })])
    await using _server = server
    const error = await client.keys.team().catch((thrown) => thrown)
    expect(error).toBeInstanceOf(InvalidArgumentError)
    expect(error).toMatchObject({
      name: 'InvalidArgumentError',
      code: 'invalid_argument',
      status: 400,
      context: { issues },
      message: 'It is invalid_argument',
    })
  })

  test('a code from a newer server is internal, with its message', async () => {
    const { server, client } = await against([problem(418, 'teapot')])
    await using _server = server
    await expect(client.keys.team()).rejects.toMatchObject({ code: 'internal', message: 'It is teapot' })
  })

  test.each([
    ['an error page', 404, '<h1>Not Found</h1>'],
    ['a page that is fine', 200, '<h1>Welcome</h1>'],
  ])('%s of something else is told as such', async (_, status, html) => {
    const { server, client } = await against([(response) => void response.writeHead(status).end(html)])
    await using _server = server
    await expect(client.keys.team()).rejects.toMatchObject({
      name: 'ServerError',
      code: 'bad_response',
      context: { status, excerpt: html },
    })
  })

  test('an address that cannot be one', () => {
    expect(() => new Spawnpoint({ url: 'localhost:7300' })).toThrow(/must start with http/)
  })

  test('the key goes along; none is none', async () => {
    const { server, client } = await against([json(200, TEAM)])
    await using _server = server
    await client.keys.team()
    await new Spawnpoint({ url: `${server.url}/`, apiKey: '' }).keys.team()
    expect(server.received.map(({ headers }) => headers.authorization)).toEqual(['Bearer sp_key', undefined])
    expect(server.received[1]?.url).toBe('/v1/team')
  })
})

const processJson: Reply = json(200, {
  id: 'p',
  pid: 7,
  args: ['x'],
  cwd: '/',
  user: 'root',
  tag: null,
  pty: false,
  startedAt: '2026-01-01T00:00:00.000Z',
  exit: null,
})
const fileJson = { path: '/f', mode: '0640', modifiedAt: '2026-01-01T00:00:00.000Z' }
