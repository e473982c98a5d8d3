import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { until, VendorWorld } from '../vendor-world.ts'
import { SDKS, type Sdk } from './sdks.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.start()
})
afterAll(() => vendor[Symbol.asyncDispose]())

type Box = InstanceType<Sdk['Sandbox']>

/** Answers on the loopback address alone: what it was asked, a stream without an end, or an echo over a WebSocket. */
const SERVER = `
const { createHash } = require('node:crypto')
const server = require('node:http').createServer((req, res) => {
  if (req.url === '/stream') {
    res.write('begun')
    return
  }
  let length = 0
  req.on('data', (piece) => { length += piece.length })
  req.on('end', () => {
    res.setHeader('set-cookie', 'a=1')
    res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, length }))
  })
})
server.on('upgrade', (req, socket) => {
  const key = createHash('sha1').update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + key + '\\r\\n\\r\\n')
  socket.on('data', (frame) => {
    if ((frame[0] & 15) === 8) return socket.end()
    const mask = frame.subarray(2, 6)
    const data = frame.subarray(6).map((byte, i) => byte ^ mask[i % 4])
    socket.write(Buffer.concat([Buffer.from([frame[0], data.length]), data]))
  })
})
server.listen(3000, '127.0.0.1')
`

async function listen(sandbox: Box): Promise<void> {
  await sandbox.files.write('/tmp/server.js', SERVER)
  await sandbox.commands.run('node /tmp/server.js', { background: true, timeoutMs: 0 })
  await until(async () => (await ask(sandbox, 3000)).status === 200)
}

/** A request by the name that the client gives a port. Names below `localhost` need not resolve on this machine. */
function open(sandbox: Box, port: number, path = '/', headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const { hostname, port: listening } = new URL(vendor.world.url)
  return new Promise((resolve, reject) => {
    const host = sandbox.getHost(port)
    request({ hostname, port: listening, path, headers: { host, ...headers } }, resolve)
      .on('error', reject)
      .end()
  })
}

async function ask(sandbox: Box, port: number, path = '/', headers: Record<string, string> = {}) {
  const response = await open(sandbox, port, path, headers)
  const body = await text(response)
  return { status: response.statusCode, headers: response.headers, json: () => JSON.parse(body) }
}

function socket(sandbox: Box, headers: Record<string, string> = {}): WebSocket {
  return new WebSocket(vendor.world.url.replace('http', 'ws'), { headers: { host: sandbox.getHost(3000), ...headers } })
}

describe.each(SDKS)('ports of a sandbox of %s', (_name, { Sandbox }) => {
  let sandbox: Box
  beforeAll(async () => {
    sandbox = await Sandbox.create()
    await listen(sandbox)
  })
  afterAll(() => sandbox.kill())

  it('have an address', () => {
    expect(sandbox.getHost(3000)).toBe(`3000-${sandbox.sandboxId}.localhost:${new URL(vendor.world.url).port}`)
  })

  it('reach a program that listens on the loopback address', async () => {
    const { status, headers, json } = await ask(sandbox, 3000, '/a%20b?x=1', { 'x-own': '1' })
    expect([status, headers['set-cookie']]).toEqual([200, ['a=1']])
    expect(json()).toMatchObject({
      method: 'GET',
      url: '/a%20b?x=1',
      headers: { 'x-own': '1', host: sandbox.getHost(3000) },
    })
    const byHeaders = await fetch(`${vendor.world.url}/up`, {
      method: 'POST',
      headers: { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': '3000' },
      body: new Uint8Array(5_000_000),
    })
    expect(await byHeaders.json()).toMatchObject({ method: 'POST', url: '/up', length: 5_000_000 })
  })

  it('carry WebSockets', async () => {
    const ws = socket(sandbox)
    await once(ws, 'open')
    ws.send('hello')
    expect(String((await once(ws, 'message'))[0])).toBe('hello')
    ws.close()
    await once(ws, 'close')
  })

  it('where nobody listens say so', async () => {
    const { status, json } = await ask(sandbox, 3999)
    expect([status, json()]).toEqual([
      502,
      { sandboxId: sandbox.sandboxId, message: 'The sandbox is running but port is not open', port: 3999, code: 502 },
    ])
  })

  it('are for who has the token, where the sandbox is private', async () => {
    const closed = await Sandbox.create({ network: { allowPublicTraffic: false } })
    const token = { 'e2b-traffic-access-token': closed.trafficAccessToken ?? '' }
    expect(token['e2b-traffic-access-token']).not.toBe('')
    // The agent has a token of its own.
    await closed.files.write('/tmp/server.js', SERVER)
    await closed.commands.run('node /tmp/server.js', { background: true, timeoutMs: 0 })
    await until(async () => (await ask(closed, 3000, '/', token)).status === 200)
    for (const headers of [{}, { 'e2b-traffic-access-token': 'wrong' }, { 'x-access-token': 'x' }] as Record<
      string,
      string
    >[]) {
      const { status, json } = await ask(closed, 3000, '/', headers)
      expect([status, json()]).toMatchObject([403, { sandboxId: closed.sandboxId, code: 403 }])
    }
    expect((await ask(closed, 3000, '/', token)).json().headers).not.toHaveProperty('e2b-traffic-access-token')
    const refused = socket(closed)
    expect(String((await once(refused, 'error'))[0])).toContain('403')
    const ws = socket(closed, token)
    await once(ws, 'open')
    ws.terminate()
    expect((await ask(sandbox, 3000, '/', token)).status).toBe(200)
    await closed.kill()
  })

  it('show programs the host that the sandbox asks for', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the server puts the port there
    const masked = await Sandbox.create({ network: { maskRequestHost: 'localhost:${PORT}' } })
    await listen(masked)
    const { headers } = (await ask(masked, 3000)).json()
    expect([headers.host, headers['x-forwarded-host']]).toEqual(['localhost:3000', masked.getHost(3000)])
    await masked.kill()
  })

  it.each(['kill', 'pause'] as const)('break off when the sandbox ends by %s, and are gone', async (how) => {
    const box = await Sandbox.create()
    await listen(box)
    const stream = await open(box, 3000, '/stream')
    await once(stream, 'data')
    const broken = once(stream, 'error')
    const ws = socket(box)
    await once(ws, 'open')
    const closed = once(ws, 'close')
    await box[how]()
    expect((await broken)[0]).toMatchObject({ code: 'ECONNRESET' })
    expect((await closed)[0]).toBe(1006)
    expect((await ask(box, 3000)).json()).toEqual({
      sandboxId: box.sandboxId,
      message: 'The sandbox was not found',
      code: 502,
    })
    await box.kill()
  })

  it('wake a sandbox that is to wake', async () => {
    const box = await Sandbox.create({ lifecycle: { onTimeout: 'pause', autoResume: true } })
    await listen(box)
    await box.pause()
    expect((await ask(box, 3000)).status).toBe(200)
    expect((await box.getInfo()).state).toBe('running')
    await box.kill()
  })
})
