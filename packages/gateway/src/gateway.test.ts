import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { type GatewayWorld, openGatewayWorld, PROGRAM_PORT } from './testing/gateway-world.ts'

let world: GatewayWorld
/** Requests that the service on port 49983 has got */
let served: string[] = []
beforeAll(async () => {
  world = await openGatewayWorld({
    services: new Map([
      [
        49_983,
        {
          async request({ req, res, sandbox, guest }) {
            served.push(`${sandbox.id} ${req.url}`)
            if (req.url === '/wake') await guest()
            if (req.url === '/break') throw new Error('the service has a bug')
            res.end('served')
          },
        },
      ],
    ]),
  })
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(() => {
  served = []
  world.program.connections = []
  world.program.answer = (req, res) => void res.end(JSON.stringify({ url: req.url, headers: req.headers }))
})

const host = (id: string, port = PROGRAM_PORT) => ({ host: `${port}-${id}.sbx.test:7443` })

describe('a request', () => {
  it('by host or by headers reaches the program, without what was for us', async () => {
    const { id } = await world.sandbox()
    for (const headers of [host(id), { ...host(id), host: `3000-${id}-6532622b.sbx.test` }, world.headers(id)]) {
      const { status, body } = await world.ask('/a%2Fb?x=1', { ...headers, 'x-own': '1', 'x-test-token': 'secret' })
      const seen = JSON.parse(body)
      expect([status, seen.url, seen.headers['x-own']]).toEqual([200, '/a%2Fb?x=1', '1'])
      expect(Object.keys(seen.headers).filter((name) => name.includes('sandbox') || name.includes('token'))).toEqual([])
      expect(seen.headers).toMatchObject({ 'x-forwarded-proto': 'http', 'x-forwarded-for': '127.0.0.1' })
    }
  })

  it('reaches a program that speaks TLS itself, whatever its certificate says', async () => {
    const { id } = await world.sandbox({ ingress: { tlsPorts: [PROGRAM_PORT] } })
    world.program.secure = true
    const { status, body } = await world.ask('/over', host(id))
    expect([status, JSON.parse(body).url]).toEqual([200, '/over'])
    expect((await world.ask('/not', host((await world.sandbox()).id))).status).toBe(502)
    world.program.secure = false
    expect((await world.ask('/plain', host(id))).status).toBe(502)
  })

  it('for the server itself does not match', async () => {
    expect((await world.ask('/v1/x', { host: '127.0.0.1' })).status).toBe(418)
    expect((await world.ask('/', { host: 'api.sbx.test' })).status).toBe(418)
  })

  it('with a wrong address is refused', async () => {
    expect(await world.ask('/', { host: '0-abc.sbx.test' })).toMatchObject({
      status: 400,
      json: { code: 400, message: 'Invalid host: 0-abc' },
    })
    expect(await world.ask('/', { 'e2b-sandbox-id': 'abc' })).toMatchObject({ status: 400, json: { code: 400 } })
  })

  it('for a sandbox that was never, or is no more, is told the same', async () => {
    const { id } = await world.sandbox()
    await world.core.sandboxes.kill(world.by, id)
    for (const gone of ['nosuchsandbox', id]) {
      expect(await world.ask('/', host(gone))).toMatchObject({
        status: 502,
        json: { sandboxId: gone, message: 'The sandbox was not found', code: 502 },
      })
    }
  })

  it('for a paused or stopped sandbox is told so too, and does not wake it', async () => {
    for (const halt of ['pause', 'stop'] as const) {
      const { id } = await world.sandbox()
      await (await world.core.sandboxes[halt](world.by, id)).done
      const { json } = await world.ask('/', host(id))
      expect(json).toEqual({ sandboxId: id, message: 'The sandbox was not found', code: 502 })
      expect((await world.core.sandboxes.get(world.by, id)).state).toBe(halt === 'pause' ? 'paused' : 'stopped')
    }
  })

  it('wakes a paused sandbox whose policy says so', async () => {
    const { id } = await world.sandbox({ timeout: { autoResume: true } })
    await (await world.core.sandboxes.pause(world.by, id)).done
    // The program did not survive as it is none of the fake machine's: the port is closed, but the sandbox runs.
    expect((await world.ask('/', host(id))).json).toMatchObject({
      message: 'The sandbox is running but port is not open',
    })
    expect((await world.core.sandboxes.get(world.by, id)).state).toBe('running')
  })

  it('for a port where nobody listens says which', async () => {
    const { id } = await world.sandbox()
    expect(await world.ask('/', host(id, 3001))).toMatchObject({
      status: 502,
      json: { sandboxId: id, message: 'The sandbox is running but port is not open', port: 3001, code: 502 },
    })
  })

  it('waits a moment for a program that is starting', async () => {
    const { id } = await world.sandbox()
    const guest = await world.listen(id)
    const listening = guest.connectPort.bind(guest)
    let refused = 0
    guest.connectPort = (port) => listening(refused++ < 2 ? 3001 : port)
    expect((await world.ask('/', host(id))).status).toBe(200)
    expect(refused).toBe(3)
  })

  it('of a person who followed a link is answered with a page', async () => {
    const { status, headers, body } = await world.ask('/', { ...host('nobody'), 'sec-fetch-mode': 'navigate' })
    expect([status, headers['content-type']]).toEqual([502, 'text/html; charset=utf-8'])
    expect(body).toContain('The sandbox was not found')
  })
})

describe('ingress', () => {
  it('asks for a token where the policy does', async () => {
    const { id } = await world.sandbox({ ingress: { default: 'token', ports: { '8080': 'open', '9090': 'closed' } } })
    const denied = { status: 403, json: { sandboxId: id, code: 403 } }
    expect(await world.ask('/', host(id))).toMatchObject(denied)
    expect(await world.ask('/', { ...host(id), 'x-test-token': 'no' })).toMatchObject(denied)
    const other = await world.sandbox()
    expect(await world.ask('/', { ...host(id), 'x-test-token': world.token(other.id) })).toMatchObject(denied)
    expect(world.program.connections).toEqual([])
    const shown = { 'x-test-token': world.token(id) }
    expect((await world.ask('/', { ...host(id), ...shown })).status).toBe(200)
    expect((await world.ask('/', { ...host(id, 9090), ...shown })).status).toBe(403)
    expect((await world.ask('/', host(id, 8080))).json).toMatchObject({ port: 8080, code: 502 })
  })

  it('says to program and browser what comes with a token, and sends a browser without one to where it gets one', async () => {
    await using own = await openGatewayWorld({
      tokens: [
        async (req) =>
          req.headers['x-test-token'] === 'of-ann'
            ? {
                addHeaders: { 'x-user': 'ann' },
                addResponseHeaders: { 'X-Frames': 'none' },
                stripHeaders: ['x-proof'],
              }
            : null,
      ],
      signIn: (req) => (req.headers.accept === 'text/html' ? 'https://sign.test/in' : null),
    })
    own.program.answer = world.program.answer
    const { id } = await own.sandbox({ ingress: { default: 'token' } })
    const claims = { 'x-proof': 'secret', 'x-user': 'root', X_User: 'root', 'x_forwarded-host': 'evil.test' }
    const { status, headers, body } = await own.ask('/', { ...host(id), 'x-test-token': 'of-ann', ...claims })
    const seen = JSON.parse(body).headers
    expect([status, headers['x-frames'], seen['x-user']]).toEqual([200, 'none', 'ann'])
    expect(Object.keys(seen)).not.toContain('x-proof')
    // Many programs take `_` for `-`.
    expect(Object.keys(seen).filter((name) => name.includes('_'))).toEqual([])
    const asked = await own.ask('/', { ...host(id), accept: 'text/html' })
    expect([asked.status, asked.headers.location]).toEqual([302, 'https://sign.test/in'])
    expect((await own.ask('/', host(id))).status).toBe(403)
  })

  it('does not wake a sandbox for who may not reach it', async () => {
    const { id } = await world.sandbox({ ingress: { default: 'token' }, timeout: { autoResume: true } })
    await (await world.core.sandboxes.pause(world.by, id)).done
    expect((await world.ask('/', host(id))).status).toBe(403)
    expect((await world.core.sandboxes.get(world.by, id)).state).toBe('paused')
  })

  it('follows a change of the policy', async () => {
    const { id } = await world.sandbox()
    expect((await world.ask('/', host(id))).status).toBe(200)
    await world.core.sandboxes.update(world.by, id, { ingress: { default: 'closed' } })
    expect((await world.ask('/', host(id))).status).toBe(403)
  })

  it('shows programs the host that the policy names', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what policies write for the port
    const { id } = await world.sandbox({ ingress: { hostHeader: 'localhost:${PORT}' } })
    const { headers } = JSON.parse((await world.ask('/', host(id))).body)
    expect([headers.host, headers['x-forwarded-host']]).toEqual(['localhost:3000', `3000-${id}.sbx.test:7443`])
  })
})

describe('a service', () => {
  it('answers its port instead of a program, also while the sandbox rests', async () => {
    const { id } = await world.sandbox()
    await (await world.core.sandboxes.pause(world.by, id)).done
    expect((await world.ask('/x', world.headers(id, 49_983))).body).toBe('served')
    expect(served).toEqual([`${id} /x`])
    expect((await world.core.sandboxes.get(world.by, id)).state).toBe('paused')
    expect((await world.ask('/wake', world.headers(id, 49_983))).json).toMatchObject({ code: 502 })
  })

  it('is answered for when it fails', async () => {
    const { id } = await world.sandbox()
    const logged = world.failures.length
    const { status, json } = await world.ask('/break', world.headers(id, 49_983))
    expect([status, json.message]).toEqual([500, 'The server failed; its log has the details'])
    expect(world.failures).toHaveLength(logged + 1)
  })

  it('is no WebSocket', async () => {
    const { id } = await world.sandbox()
    const ws = new WebSocket(`ws://127.0.0.1:${world.port}/`, { headers: world.headers(id, 49_983) })
    const [error] = await once(ws, 'error')
    expect(String(error)).toContain('404')
  })
})

describe('a browser', () => {
  it('may send routing headers', async () => {
    const { status, headers } = await world.ask(
      '/process.Process/List',
      { host: '127.0.0.1', 'access-control-request-headers': 'content-type, e2b-sandbox-id, x-access-token' },
      'OPTIONS',
    )
    expect([status, headers['access-control-allow-origin']]).toEqual([204, '*'])
    expect(headers['access-control-allow-headers']).toContain('x-access-token')
  })

  it('asks the program itself where the host names it', async () => {
    const { id } = await world.sandbox()
    world.program.answer = (req, res) => void res.writeHead(299).end(req.method)
    const asked = { 'access-control-request-headers': 'e2b-sandbox-id' }
    expect((await world.ask('/', { ...host(id), ...asked }, 'OPTIONS')).status).toBe(299)
  })
})

describe('what is open when a sandbox ends', () => {
  const ends = [
    ['is killed', (id: string) => world.core.sandboxes.kill(world.by, id)],
    ['is paused', async (id: string) => (await world.core.sandboxes.pause(world.by, id)).done],
    ['is stopped', async (id: string) => (await world.core.sandboxes.stop(world.by, id)).done],
  ] as const

  it.each(ends)('is broken off: it %s', async (_, end) => {
    const { id } = await world.sandbox()
    world.program.answer = (_req, res) => {
      res.writeHead(200)
      res.write('first')
    }
    const req = request({ host: '127.0.0.1', port: world.port, headers: world.headers(id) }).end()
    const [stream] = (await once(req, 'response')) as [IncomingMessage]
    const broken = once(stream, 'error')
    await once(stream, 'data')
    const ws = new WebSocket(`ws://127.0.0.1:${world.port}/`, { headers: world.headers(id) })
    await once(ws, 'message')
    const closed = once(ws, 'close')
    await end(id)
    expect((await broken)[0]).toMatchObject({ code: 'ECONNRESET' })
    expect((await closed)[0]).toBe(1006)
    expect((await world.ask('/', host(id))).json).toMatchObject({ code: 502 })
  })

  it('before it was answered is refused', async () => {
    const { id } = await world.sandbox()
    const reached = Promise.withResolvers<void>()
    world.program.answer = () => reached.resolve()
    const waiting = world.ask('/', host(id))
    await reached.promise
    await world.core.sandboxes.kill(world.by, id)
    expect(await waiting).toMatchObject({ status: 502, json: { message: 'The sandbox was not found' } })
  })
})

describe('a WebSocket', () => {
  it('is passed both ways', async () => {
    const { id } = await world.sandbox({ ingress: { default: 'token' } })
    const headers = { ...host(id), 'x-test-token': world.token(id) }
    const ws = new WebSocket(`ws://127.0.0.1:${world.port}/chat?room=1`, { headers })
    const [hello] = await once(ws, 'message')
    const seen = JSON.parse(String(hello))
    expect(seen.url).toBe('/chat?room=1')
    expect(seen.headers).not.toHaveProperty('x-test-token')
    ws.send('ping')
    expect(String((await once(ws, 'message'))[0])).toBe('ping')
    ws.close()
    await expect.poll(() => world.program.connections.map((one) => one.destroyed)).toEqual([true])
  })

  it.each([
    ['without the token', { default: 'token' as const }, 3000, 403],
    ['to a closed port', {}, 3001, 502],
  ])('is refused %s', async (_, ingress, port, status) => {
    const { id } = await world.sandbox({ ingress })
    const ws = new WebSocket(`ws://127.0.0.1:${world.port}/`, { headers: world.headers(id, port) })
    expect(String((await once(ws, 'error'))[0])).toContain(String(status))
  })

  it('to no sandbox is refused', async () => {
    for (const [headers, status] of [
      [world.headers('nobody'), 502],
      [{ 'e2b-sandbox-id': 'x' }, 400],
    ] as const) {
      const ws = new WebSocket(`ws://127.0.0.1:${world.port}/`, { headers })
      expect(String((await once(ws, 'error'))[0])).toContain(String(status))
    }
  })
})
