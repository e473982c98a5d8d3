import { createHash, generateKeyPairSync, verify } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientRequest, createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, createServer as createHttps, request } from 'node:https'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import type { OutgoingRule } from '@spawnpoint/core'
import { Asker } from '@spawnpoint/outbound'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../log.ts'
import { Authority } from './authority.ts'
import { Agents, type InterceptedGuest, Interceptor } from './interceptor.ts'
import { servicesBoundary } from './services.ts'

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
const interceptor = new Interceptor(own, new Asker(servicesBoundary(null, ['127.0.0.0/8']), []), silentLog)
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

describe('a request whose rule has more than headers', () => {
  const asked: { headers: IncomingMessage['headers']; body: string }[] = []
  let answer: (response: ServerResponse) => void
  const service = createHttp(async (req, res) => {
    let body = ''
    for await (const chunk of req.setEncoding('utf8')) body += chunk
    asked.push({ headers: req.headers, body })
    answer(res)
  })
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const base = { hosts: ['*.test'], paths: [], matchHeaders: [], headers: [] }
  const callback = (change: object = {}): OutgoingRule => ({
    ...base,
    auth: {
      type: 'callback',
      url: `http://127.0.0.1:${portOf(service)}/ask`,
      ttlMs: 60_000,
      wholeRequest: false,
      signature: { header: 'X-Signature', subject: 'question' },
      values: [{ name: 'X-Shared', value: 'known' }],
      identity: { tenant_id: 't', sandbox_id: 's' },
      signer: {
        privateKey: generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
        keyId: 'k',
        issuer: 'i',
      },
      ...change,
    },
  })
  beforeAll(async () => {
    await once(service.listen(0, '127.0.0.1'), 'listening')
  })
  beforeEach(() => {
    asked.length = 0
    answer = (res) => res.end(JSON.stringify({ headers: { Authorization: 'Bearer minted' } }))
  })
  afterAll(() => service.close())

  it('is given what a web service says, which is asked once for a host', async () => {
    guest.rules = [callback()]
    const headers = { authorization: 'mine' }
    expect(await Promise.all([ask({ headers }), ask({ headers })])).toMatchObject([{ status: 200 }, { status: 200 }])
    expect(heard.map((one) => valuesOf('authorization', one))).toEqual([['Bearer minted'], ['Bearer minted']])
    expect(asked).toHaveLength(1)
    expect(asked[0]?.headers).toMatchObject({ 'x-shared': 'known', 'content-type': 'application/json' })
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
      host: 'api.test',
      port: 443,
      identity: { tenant_id: 't', sandbox_id: 's' },
    })
    // Another rule for the host: nobody is asked.
    guest.rules = [callback(), { ...RULE, paths: ['/other'] }]
    await ask({})
    expect([asked.length, valuesOf('authorization', heard[2])]).toEqual([1, []])
  })

  it('is shown to the web service, if that is to see it, and goes on whole', async () => {
    guest.rules = [callback({ wholeRequest: true })]
    for (const size of [5, 3_000_000]) {
      const body = 'x'.repeat(size)
      const options = {
        method: 'PUT',
        path: '/a?b=c',
        headers: { 'x-mine': '1' },
        body: (one: ClientRequest) => one.end(body),
      }
      expect((await ask(options)).status).toBe(200)
      expect(heard.at(-1)?.body.length).toBe(size)
      const { request: shown } = JSON.parse(asked.at(-1)?.body ?? '')
      expect(shown).toMatchObject({ method: 'PUT', url: 'https://api.test/a?b=c', path: '/a', query: 'b=c' })
      expect(shown.headers['x-mine']).toEqual(['1'])
      expect([shown.body_truncated, Buffer.from(shown.body_base64, 'base64').length]).toEqual([
        size > 5,
        Math.min(size, 256 * 1024),
      ])
    }
    expect(asked).toHaveLength(2)
  })

  it.each<[string, (response: ServerResponse) => void]>([
    ['fails', (res) => res.writeHead(500).end('why')],
    ['sends on to another', (res) => res.writeHead(302, { location: 'http://127.0.0.1/' }).end()],
    ['answers no JSON', (res) => res.end('why')],
    ['answers no headers', (res) => res.end('{"headers":[]}')],
    ['answers a header that frames the message', (res) => res.end('{"headers":{"Transfer-Encoding":"chunked"}}')],
    ['answers a line break', (res) => res.end('{"headers":{"X-A":"a\\r\\nb"}}')],
    ['answers without end', (res) => res.end('x'.repeat(100_000))],
  ])('does not go out where the web service %s', async (_what, how) => {
    answer = how
    guest.rules = [callback()]
    expect(await ask({})).toEqual({ status: 502, body: 'spawnpoint: callback resolution failed\n' })
    answer = (res) => res.end('{"headers":{}}')
    expect((await ask({})).status).toBe(200)
    expect(heard).toHaveLength(1)
  })

  it('has a token that is got with a service account, once', async () => {
    const account = JSON.stringify({
      client_email: 'a@project.test',
      private_key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
      private_key_id: 'kid',
      token_uri: `http://127.0.0.1:${portOf(service)}/token`,
    })
    answer = (res) => res.end('{"access_token":"ya29.token","expires_in":3599}')
    guest.rules = [
      { ...base, auth: { type: 'google', scopes: ['a', 'b'], values: [{ name: 'service_account', value: account }] } },
    ]
    for (const authorization of ['Bearer mine', '']) await ask({ headers: { authorization } })
    // Not for all the world to read.
    await raw('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n', 'plain')
    expect(valuesOf('authorization', heard.pop())).toEqual([])
    expect(heard.map((one) => valuesOf('authorization', one))).toEqual([['Bearer ya29.token'], ['Bearer ya29.token']])
    expect(asked).toHaveLength(1)
    const form = new URLSearchParams(asked[0]?.body)
    const [head = '', claims = '', signature = ''] = form.get('assertion')?.split('.') ?? []
    expect(verify('sha256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))).toBe(
      true,
    )
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      iss: 'a@project.test',
      scope: 'a b',
    })
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
  })

  it('is signed for AWS with its body, whether it comes in chunks or not', async () => {
    const values = ['AKIAIOSFODNN7EXAMPLE', 'secret'].map((value, at) => ({ name: `${at}`, value }))
    guest.rules = [{ ...base, auth: { type: 'aws', values } }]
    const scope = 'Credential=AKIASPAWNPOINT000000/20130524/us-east-1/s3/aws4_request'
    const headers = { authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=00`, x_amz_date: 'x' }
    const body = 'x'.repeat(100_000)
    for (const more of [{}, { 'content-length': String(body.length) }])
      await ask({ method: 'PUT', headers: { ...headers, ...more }, body: (one) => one.end(body) })
    for (const one of heard) {
      expect(one.body).toBe(body)
      expect(valuesOf('content-length', one)).toEqual([String(body.length)])
      const [authorization = ''] = valuesOf('authorization', one)
      expect(authorization).toContain('AKIAIOSFODNN7EXAMPLE/')
      expect(valuesOf('x-amz-content-sha256', one)).toEqual([createHash('sha256').update(body).digest('hex')])
      expect(valuesOf('x_amz_date', one)).toEqual([])
    }
    expect(heard).toHaveLength(2)
  })
})
