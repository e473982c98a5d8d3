import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type DoorWorld, jsonOf, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
let id: string
let program: Server
let answer: (req: IncomingMessage, res: ServerResponse) => void
let connections: Duplex[] = []

beforeAll(async () => {
  world = await openDoorWorld()
  id = await world.sandbox()
  program = createServer((req, res) => answer(req, res))
  const sockets = new WebSocketServer({ noServer: true })
  program.on('upgrade', (req, socket, head) => {
    if (req.url === '/refuse') return socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
    sockets.handleUpgrade(req, socket, head, (ws) => {
      ws.send(`${req.url} ${req.headers.authorization ?? 'keyless'}`)
      ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }))
    })
  })
  const guest = await world.guest(id)
  const real = guest.connectPort.bind(guest)
  guest.connectPort = async (port) => {
    if (port !== 3000) return real(port)
    const [ours, theirs] = duplexPair()
    connections.push(ours)
    program.emit('connection', theirs)
    return ours
  }
})
beforeEach(() => {
  connections = []
})
afterAll(() => world[Symbol.asyncDispose]())

const port = (path: string) => `/sandboxes/${id}/ports/3000${path}`

describe('HTTP to a port', () => {
  it('reaches the program as it was sent, without the key', async () => {
    answer = (req, res) => res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers }))
    const response = await world.get(port('/a%2Fb/c?x=1&y=%20'), {
      connection: 'keep-alive',
      'x-own': '1',
      te: 'trailers',
    })
    const { method, url, headers } = await jsonOf(response)
    expect([response.status, method, url]).toEqual([200, 'GET', '/a%2Fb/c?x=1&y=%20'])
    expect(headers).toMatchObject({
      'x-own': '1',
      host: `127.0.0.1:${world.port}`,
      'x-forwarded-host': `127.0.0.1:${world.port}`,
      'x-forwarded-proto': 'http',
      'x-forwarded-prefix': `/v1/sandboxes/${id}/ports/3000`,
    })
    expect(headers).not.toHaveProperty('authorization')
    expect(headers).not.toHaveProperty('te')
    expect((await jsonOf(await world.get(port('')))).url).toBe('/')
    expect((await jsonOf(await world.get(port('?q=1')))).url).toBe('/?q=1')
  })

  it('leaves the header that did not carry the key', async () => {
    answer = (req, res) => res.end(JSON.stringify(req.headers))
    const headers = { 'x-api-key': world.key, authorization: 'Basic c2VjcmV0' }
    const seen = await jsonOf(await fetch(`${world.url}/v1${port('/')}`, { headers }))
    expect(seen.authorization).toBe('Basic c2VjcmV0')
    expect(seen).not.toHaveProperty('x-api-key')
  })

  it('streams bodies of any size both ways', async () => {
    answer = (req, res) => req.pipe(res)
    const body = Buffer.alloc(8_000_000, 'x')
    const sent = await world.call('POST', port('/'), { body, headers: { 'content-type': 'application/json' } })
    expect((await sent.arrayBuffer()).byteLength).toBe(body.length)
  })

  it('passes the answer of every method and status on', async () => {
    answer = (req, res) => {
      res.writeHead(418, 'Teapot', { 'x-method': req.method, 'keep-alive': 'timeout=9', 'set-cookie': ['a=1', 'b=2'] })
      res.end()
    }
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const response = await world.call(method, port('/x'))
      expect([response.status, response.headers.get('x-method')]).toEqual([418, method])
      expect(response.headers.get('keep-alive')).not.toBe('timeout=9')
    }
  })

  it('keeps cookies, redirects and pages of the program under its path', async () => {
    answer = (_req, res) => {
      res.setHeader('set-cookie', ['a=1; Path=/app; Domain=example.com; HttpOnly', 'b=2'])
      res.writeHead(302, { location: '/login', 'clear-site-data': '*' })
      res.end()
    }
    const response = await fetch(`${world.url}/v1${port('/')}`, { headers: world.withKey(), redirect: 'manual' })
    const prefix = `/v1/sandboxes/${id}/ports/3000`
    expect(response.headers.getSetCookie()).toEqual([`a=1; HttpOnly; Path=${prefix}/app`, `b=2; Path=${prefix}/`])
    expect(response.headers.get('location')).toBe(`${prefix}/login`)
    expect(response.headers.get('content-security-policy')).toMatch(/^sandbox /)
    expect(response.headers.has('clear-site-data')).toBe(false)
  })

  it('says when nobody listens, or does not answer in HTTP', async () => {
    const closed = await world.get(`/sandboxes/${id}/ports/3001/`)
    expect([closed.status, await jsonOf(closed)]).toMatchObject([502, { code: 'port_closed', context: { port: 3001 } }])
    for (const rude of [
      '',
      'SSH-2.0-OpenSSH\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n',
      `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
    ]) {
      answer = (req) => {
        req.socket.write(rude)
        req.socket.end()
      }
      const response = await world.get(port('/'))
      expect([response.status, (await jsonOf(response)).code]).toEqual([502, 'port_closed'])
    }
    expect(world.failures).toEqual([])
  })

  it('does not let a program change the protocol when nobody asked', async () => {
    answer = (req) => {
      req.socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
      )
    }
    const response = await world.get(port('/'))
    expect([response.status, (await jsonOf(response)).code]).toEqual([502, 'port_closed'])
    await expect.poll(() => connections.map((one) => one.destroyed)).toEqual([true])
  })

  it('breaks off when the program does', async () => {
    answer = (req, res) => {
      res.writeHead(200, { 'content-length': '100' })
      res.write('some')
      setImmediate(() => req.socket.destroy())
    }
    const response = await world.get(port('/'))
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })

  it('lets the program refuse a long body and the client read why', async () => {
    answer = (_req, res) => {
      res.writeHead(413, { connection: 'close' })
      res.end('too much')
    }
    const socket = connect(world.port, '127.0.0.1')
    const lines = [
      `POST /v1${port('/')} HTTP/1.1`,
      'Host: x',
      `X-API-Key: ${world.key}`,
      'Content-Length: 3000000',
      'Connection: close',
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n${'x'.repeat(3_000_000)}`)
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text).toMatch(/^HTTP\/1.1 413 /)
  })

  it('lets go of the program when the client leaves', async () => {
    answer = (_req, res) => {
      res.writeHead(200)
      res.write('first')
    }
    const req = request(`${world.url}/v1${port('/')}`, { headers: world.withKey() })
    req.on('error', () => {})
    await new Promise<void>((resolve) => {
      req.on('response', (response) => response.once('data', () => resolve()))
      req.end()
    })
    expect(connections.map((one) => one.destroyed)).toEqual([false])
    req.destroy()
    await expect.poll(() => connections.map((one) => one.destroyed)).toEqual([true])
  })

  it.each(['0', '65536', 'http', '-1'])('is refused for port %s', async (number) => {
    expect((await world.get(`/sandboxes/${id}/ports/${number}/`)).status).toBe(400)
  })
})

describe('WebSocket to a port', () => {
  it('is passed both ways', async () => {
    const ws = world.socket(port('/chat?room=1'))
    const messages: string[] = []
    ws.on('message', (data) => messages.push(String(data)))
    await expect.poll(() => messages).toEqual(['/chat?room=1 keyless'])
    ws.send('hello')
    await expect.poll(() => messages.at(-1)).toBe('hello')
    ws.close()
    await expect.poll(() => connections.map((one) => one.destroyed)).toEqual([true])
  })

  it.each([
    ['alone', [], 'undefined'],
    ['among others', ['chat', 'chat.v2'], 'chat,chat.v2'],
  ])('does not show a key offered as subprotocol %s', async (_, others, seen) => {
    const protocols = [...others, `spawnpoint.key.${world.key}`]
    const ws = new WebSocket(`ws://127.0.0.1:${world.port}/v1${port('/protocols')}`, protocols)
    ws.on('error', () => {}) // the client of these tests wants one of what it offered; browsers do not
    const received = once(program, 'upgrade') as Promise<[IncomingMessage]>
    const [req] = await received
    expect(String(req.headers['sec-websocket-protocol'])).toBe(seen)
    expect(req.rawHeaders.join()).not.toContain(world.key)
    ws.terminate()
  })

  it('is refused in the words of the program, and the connection is not used again', async () => {
    const ws = world.socket(port('/refuse'))
    const [response, body] = await new Promise<[IncomingMessage, string]>((resolve, reject) => {
      ws.on('error', reject)
      ws.on('unexpected-response', async (_req, res) => {
        let text = ''
        for await (const chunk of res) text += chunk
        resolve([res, text])
      })
    })
    expect([response.statusCode, body, response.headers.connection]).toEqual([403, 'no', 'close'])
  })

  it.each([
    ['without a key', () => new WebSocket(`ws://127.0.0.1:${world.port}/v1${port('/')}`), 401],
    ['to a closed port', () => world.socket(`/sandboxes/${id}/ports/3001/`), 502],
    ['to no sandbox', () => world.socket('/sandboxes/nobody/ports/3000/'), 404],
    ['to no port', () => world.socket(`/sandboxes/${id}/ports/99999/`), 404],
    ['to nowhere', () => world.socket('/nowhere'), 404],
    ['to a sandbox that cannot be decoded', () => world.socket('/sandboxes/%zz/ports/3000/'), 404],
  ])('is refused %s', async (_, open, status) => {
    const ws = open()
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      ws.on('error', reject)
      ws.on('unexpected-response', (_req, res) => resolve(res))
    })
    expect([response.statusCode, response.headers['content-type']]).toEqual([status, 'application/problem+json'])
  })
})
