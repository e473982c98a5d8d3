import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientRequest, createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, createServer as createHttps, request } from 'node:https'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext, connect as tlsConnect } from 'node:tls'
import type { OutgoingRule } from '@spawnpoint/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../log.ts'
import { Authority } from './authority.ts'
import { Agents, type InterceptedGuest, Interceptor } from './interceptor.ts'

/** Loopback, where nobody else of this machine listens on ports 80 and 443 */
const UPSTREAM = `127.77.${(process.pid >> 8) & 255}.${process.pid & 255}`
const RULE: OutgoingRule = {
  hosts: ['api.test'],
  paths: [],
  matchHeaders: [],
  headers: [{ name: 'X-Key', value: 'secret' }],
}

const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-intercept-'))
const own = Authority.open(join(dir, 'own'))
const others = Authority.open(join(dir, 'others'))
let handle: (request: IncomingMessage, response: ServerResponse) => void
let guest: InterceptedGuest
let front: ReturnType<typeof createServer>
let plain: ReturnType<typeof createServer>
const upstreams: { close(): unknown; closeAllConnections(): void }[] = []
const interceptor = new Interceptor(own, silentLog)
const heard: { url: string; headers: string[]; body: string }[] = []

beforeAll(async () => {
  const serve = (req: IncomingMessage, res: ServerResponse) => handle(req, res)
  const secure = createHttps({ SNICallback: (name, done) => done(null, others.contextFor(name)) }, serve)
  const bare = createHttp(serve)
  for (const server of [secure, bare]) {
    server.on('upgrade', (req, socket: Socket, head) => {
      heard.push({ url: req.url ?? '', headers: req.rawHeaders, body: '' })
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n')
      socket.write(head)
      socket.pipe(socket)
    })
    upstreams.push(server)
  }
  await once(secure.listen(443, UPSTREAM), 'listening')
  await once(bare.listen(80, UPSTREAM), 'listening')
  // As the proxy does: it has read whom a connection is for.
  const frontFor = (host: string | null) =>
    createServer({ allowHalfOpen: true, pauseOnConnect: true }, async (socket) => {
      socket.resume()
      const [bytes] = (await once(socket, 'data')) as [Buffer]
      socket.pause().unshift(bytes)
      interceptor.take(socket, guest, host)
    })
  front = frontFor('api.test')
  plain = frontFor(null)
  for (const server of [front, plain]) await once(server.listen(0, '127.0.0.1'), 'listening')
})
beforeEach(() => {
  heard.length = 0
  guest = {
    rules: [RULE],
    lookup: () => (_host, options, done) =>
      options.all === true ? done(null, [{ address: UPSTREAM, family: 4 }]) : done(null, UPSTREAM, 4),
    agents: new Agents([others.certificate]),
  }
  handle = (req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk) => chunks.push(chunk))
    req.on('end', () => {
      heard.push({ url: req.url ?? '', headers: req.rawHeaders, body: Buffer.concat(chunks).toString() })
      res.end('ok')
    })
  }
})
afterAll(() => {
  interceptor.close()
  for (const server of upstreams) {
    server.close()
    server.closeAllConnections()
  }
  front.close()
  plain.close()
  rmSync(dir, { recursive: true })
})

const portOf = (server: { address(): unknown }) => (server.address() as { port: number }).port
const valuesOf = (name: string, { headers } = heard[0] ?? { headers: [] }) =>
  headers.filter((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === name)

/** A request as a guest makes it, that trusts the server's authority. */
async function ask(options: {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: (outgoing: ClientRequest) => void
  agent?: Agent
}): Promise<{ status: number; body: string }> {
  const outgoing = request({
    host: '127.0.0.1',
    port: portOf(front),
    servername: 'api.test',
    ca: own.certificate,
    method: options.method ?? 'GET',
    path: options.path ?? '/',
    headers: { host: 'api.test', ...options.headers },
    agent: options.agent ?? new Agent(),
  })
  if (options.body) options.body(outgoing)
  else outgoing.end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk
  return { status: response.statusCode ?? 0, body }
}

/** What comes back for bytes that no client would send. */
async function raw(text: string, over: 'tls' | 'plain' = 'tls'): Promise<string> {
  const socket =
    over === 'tls'
      ? tlsConnect({ port: portOf(front), host: '127.0.0.1', servername: 'api.test', ca: own.certificate })
      : connect(portOf(plain), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(text)
  let answer = ''
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk
  return answer
}

describe('a request to a named host', () => {
  it('arrives with the header of the rule in place of whatever the guest gave under that name', async () => {
    const answer = await ask({
      headers: { 'x-key': 'mine', X_Key: 'mine too', other: 'kept', 'x-hop': '1', connection: 'x-hop' },
    })
    expect(answer).toEqual({ status: 200, body: 'ok' })
    expect([valuesOf('x-key'), valuesOf('x_key'), valuesOf('other'), valuesOf('x-hop')]).toEqual([
      ['secret'],
      [],
      ['kept'],
      [],
    ])
  })

  it('has it over plain HTTP as well, each on its own merits where several share a connection', async () => {
    const second = 'GET /b HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n'
    const answer = await raw(`GET /a HTTP/1.1\r\nHost: api.test\r\n\r\n${second}`, 'plain')
    expect(answer.match(/HTTP\/1.1 200/g)).toHaveLength(2)
    expect(heard.map((one) => [one.url, valuesOf('x-key', one)])).toEqual([
      ['/a', ['secret']],
      ['/b', []],
    ])
  })

  it('streams both ways, many on one connection, with bodies of any size', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const body = 'x'.repeat(3_000_000)
    for (const headers of [{}, { 'content-length': String(body.length) }] as Record<string, string>[])
      expect((await ask({ method: 'PUT', headers, agent, body: (one) => one.end(body) })).status).toBe(200)
    expect(heard.map((one) => one.body.length)).toEqual([body.length, body.length])
    handle = (req, res) => req.pipe(res)
    const echoed = await ask({ method: 'POST', agent, body: (one) => one.end(body) })
    expect(echoed.body).toBe(body)
    agent.destroy()
  })

  it('passes an answer on as it comes', async () => {
    const more = Promise.withResolvers<void>()
    handle = async (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('first')
      await more.promise
      res.end('second')
    }
    const outgoing = request({
      host: '127.0.0.1',
      port: portOf(front),
      servername: 'api.test',
      ca: own.certificate,
      headers: { host: 'api.test' },
    }).end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    const [first] = (await once(response, 'data')) as [Buffer]
    expect(first.toString()).toBe('first')
    more.resolve()
    const [second] = (await once(response, 'data')) as [Buffer]
    expect(second.toString()).toBe('second')
    response.destroy()
  })

  it('becomes another protocol where both ends want it', async () => {
    const socket = tlsConnect({ port: portOf(front), host: '127.0.0.1', servername: 'api.test', ca: own.certificate })
    socket.write(
      'GET /chat HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: chat\r\nX-Key: mine\r\n\r\nhello',
    )
    let answer = ''
    for await (const chunk of socket.setEncoding('utf8')) {
      answer += chunk
      if (answer.endsWith('hello')) break
    }
    expect(answer).toMatch(/^HTTP\/1.1 101 Switching Protocols\r\n.*upgrade: chat.*\r\n\r\nhello$/is)
    expect(valuesOf('x-key')).toEqual(['secret'])
  })

  it('carries a body that it says it has, and no second request in it', async () => {
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n'
    const chunked = `GET / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`
    expect(await raw(chunked)).toMatch(/^HTTP\/1.1 200/)
    expect(heard.map(({ url, body }) => ({ url, body }))).toEqual([{ url: '/', body: smuggled }])
    const named = `POST / HTTP/1.1\r\nHost: api.test\r\nConnection: content-length, close\r\nContent-Length: 3\r\n\r\nabc`
    expect(await raw(named)).toMatch(/^HTTP\/1.1 200/)
    expect(heard[1]?.body).toBe('abc')
  })

  it.each([
    ['two lengths', 'POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd', 400],
    [
      'length and chunks',
      'POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a folded header', 'GET / HTTP/1.1\r\nHost: api.test\r\nX: a\r\n b\r\n\r\n', 400],
    ['two hosts', 'GET / HTTP/1.1\r\nHost: api.test\r\nHost: other.test\r\n\r\n', 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ["another host than the connection's", 'GET / HTTP/1.1\r\nHost: other.test\r\n\r\n', 421],
    ['an address for a path', 'GET http://other.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n', 400],
    ['a wish to see it as it arrived', 'TRACE / HTTP/1.1\r\nHost: api.test\r\n\r\n', 405],
  ])('is refused with %s', async (_what, text, status) => {
    expect(await raw(text)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(heard).toEqual([])
  })

  it('is answered here where the host is not who it should be, or a credential cannot be read', async () => {
    guest.agents = new Agents([own.certificate])
    const untrusted = await ask({})
    expect(untrusted.status).toBe(502)
    expect(untrusted.body).not.toContain('secret')
    guest.agents = new Agents([others.certificate])
    guest.rules = [{ ...RULE, headers: [{ name: 'X-Key', value: null }] }]
    expect((await ask({})).status).toBe(502)
    guest.rules = null
    expect((await ask({})).status).toBe(503)
    expect(heard).toEqual([])
  })
})

it('an authority is made once and vouches for the hosts that are asked for', () => {
  expect(Authority.open(join(dir, 'own')).certificate).toBe(own.certificate)
  expect(createSecureContext({ ca: own.certificate })).toBeDefined()
  expect(own.contextFor('a.test')).toBe(own.contextFor('a.test'))
  expect(own.contextFor('a.test', Date.now() + 20 * 86_400_000)).not.toBe(own.contextFor('b.test'))
})
