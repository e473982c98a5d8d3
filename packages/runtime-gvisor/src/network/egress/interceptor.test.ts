import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { InterceptedWorld, RULE } from '../../testing/intercepted-world.ts'
import { Agents } from './interceptor.ts'

const world = new InterceptedWorld()
const { ask, raw, valuesOf, heard } = world
beforeAll(() => world.open())
beforeEach(() => world.reset())
afterAll(() => world[Symbol.asyncDispose]())

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

  it('has what is said everywhere beside the rule that fits, which says it better, or none', async () => {
    const headers = ['X-Agent', 'x-key'].map((name) => ({ name, value: 'everywhere' }))
    world.guest.rules = [
      { hosts: [], everywhere: true, paths: [], matchHeaders: [], headers },
      { ...RULE, paths: ['/a'] },
    ]
    for (const path of ['/a', '/b']) await ask({ path, headers: { 'x-agent': 'mine' } })
    expect(heard.map((one) => [valuesOf('x-agent', one), valuesOf('x-key', one)])).toEqual([
      [['everywhere'], ['secret']],
      [['everywhere'], ['everywhere']],
    ])
  })

  it('streams both ways, many on one connection, with bodies of any size', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const body = 'x'.repeat(3_000_000)
    for (const headers of [{}, { 'content-length': String(body.length) }] as Record<string, string>[])
      expect((await ask({ method: 'PUT', headers, agent, body: (one) => one.end(body) })).status).toBe(200)
    expect(heard.map((one) => one.body.length)).toEqual([body.length, body.length])
    world.handle = (req, res) => req.pipe(res)
    const echoed = await ask({ method: 'POST', agent, body: (one) => one.end(body) })
    expect(echoed.body).toBe(body)
    agent.destroy()
  })

  it('passes an answer on as it comes', async () => {
    const more = Promise.withResolvers<void>()
    world.handle = async (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('first')
      await more.promise
      res.end('second')
    }
    const outgoing = request({ createConnection: () => world.connectTls(), headers: { host: 'api.test' } }).end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    const [first] = (await once(response, 'data')) as [Buffer]
    expect(first.toString()).toBe('first')
    more.resolve()
    const [second] = (await once(response, 'data')) as [Buffer]
    expect(second.toString()).toBe('second')
    response.destroy()
  })

  it('becomes another protocol where both ends want it', async () => {
    const socket = world.connectTls()
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

  it('leaves room for others, however many become another protocol and say that they have a body', async () => {
    const value = (name: string) => ({ name, value: 'x'.repeat(20) })
    world.host = 'bucket.s3.us-east-1.amazonaws.com'
    world.guest.rules = [
      { ...RULE, hosts: [world.host], auth: { type: 'aws', values: [value('accessKeyId'), value('secretAccessKey')] } },
    ]
    const head = `GET /chat HTTP/1.1\r\nHost: ${world.host}\r\nConnection: Upgrade\r\nUpgrade: chat\r\nContent-Length: 0\r\n\r\n`
    for (let asked = 0; asked < 5; asked += 1)
      expect(await raw(head, 'tls', (answer) => answer.includes('\r\n\r\n'))).toMatch(/^HTTP\/1.1 101 /)
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
    world.guest.agents = new Agents([world.own.certificate])
    const untrusted = await ask({})
    expect(untrusted.status).toBe(502)
    expect(untrusted.body).not.toContain('secret')
    world.guest.agents = new Agents([world.others.certificate])
    world.guest.rules = [{ ...RULE, headers: [{ name: 'X-Key', value: null }] }]
    expect((await ask({})).status).toBe(502)
    world.guest.rules = null
    expect((await ask({})).status).toBe(503)
    expect(heard).toEqual([])
  })
})
