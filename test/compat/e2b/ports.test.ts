import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { request as requestOverTls } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { Sandbox, SandboxNotFoundError } from 'e2b'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { REPOSITORY } from '../../e2e/world.ts'
import { until, VendorWorld } from '../vendor-world.ts'
import { SDKS, type Sdk } from './sdks.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.startWithDomain()
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

/** A request by the name of a port. */
function open(sandbox: Box, port: number, path = '/', headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const url = vendor.addressOf(sandbox, port) + path
  return new Promise((resolve, reject) => {
    const begin = url.startsWith('https') ? requestOverTls : request
    begin(url, { headers }, resolve).on('error', reject).end()
  })
}

async function ask(sandbox: Box, port: number, path = '/', headers: Record<string, string> = {}) {
  const response = await open(sandbox, port, path, headers)
  const body = await text(response)
  return { status: response.statusCode, headers: response.headers, json: () => JSON.parse(body) }
}

function socket(sandbox: Box, headers: Record<string, string> = {}): WebSocket {
  return new WebSocket(vendor.addressOf(sandbox, 3000).replace('http', 'ws'), { headers })
}

describe.each(SDKS)('ports of a sandbox of %s', (_name, { Sandbox }, way) => {
  beforeAll(() => vendor.by(way))
  let sandbox: Box
  beforeAll(async () => {
    sandbox = await Sandbox.create()
    await listen(sandbox)
  })
  afterAll(() => sandbox.kill())

  it('have an address', () => {
    expect(sandbox.getHost(3000)).toBe(`3000-${sandbox.sandboxId}.${vendor.domain}`)
  })

  it('reach a program that listens on the loopback address', async () => {
    const { status, headers, json } = await ask(sandbox, 3000, '/a%20b?x=1', { 'x-own': '1' })
    expect([status, headers['set-cookie']]).toEqual([200, ['a=1']])
    expect(json()).toMatchObject({
      method: 'GET',
      url: '/a%20b?x=1',
      headers: { 'x-own': '1', host: new URL(vendor.addressOf(sandbox, 3000)).host },
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
    expect([headers.host, headers['x-forwarded-host']]).toEqual([
      'localhost:3000',
      new URL(vendor.addressOf(masked, 3000)).host,
    ])
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

describe('by domain over TLS', () => {
  let domain: string
  beforeAll(() => {
    vendor.by('tls')
    domain = vendor.domain
  })

  it('serves the API, the agent and ports of sandboxes, each by its own name', async () => {
    expect(domain).toMatch(/^sbx\.test:\d+$/)
    const sandbox = await Sandbox.create('base', { timeoutMs: 300_000, metadata: { over: 'tls' } })
    expect(sandbox.sandboxDomain).toBe(domain)
    const { exitCode, stdout } = await sandbox.commands.run('echo $HOME; id -un')
    expect([exitCode, stdout]).toEqual([0, '/home/user\nuser\n'])
    await sandbox.files.write('/home/user/server.py', TELLER)
    expect(await sandbox.files.read('/home/user/server.py')).toBe(TELLER)
    const download = await sandbox.downloadUrl('/home/user/server.py')
    expect(download).toContain(`https://49983-${sandbox.sandboxId}.${domain}/`)
    expect(await (await fetch(download)).text()).toBe(TELLER)

    await sandbox.commands.run('python3 server.py', { background: true })
    expect(sandbox.getHost(8000)).toBe(`8000-${sandbox.sandboxId}.${domain}`)
    const get = () => fetch(`https://${sandbox.getHost(8000)}/path?x=1`)
    await until(async () => (await get()).status === 200)
    const response = await get()
    expect([response.status, await response.text()]).toEqual([200, `/path?x=1 ${sandbox.getHost(8000)} https`])

    expect(
      (await Sandbox.list({ query: { metadata: { over: 'tls' } } }).nextItems()).map((one) => one.sandboxId),
    ).toEqual([sandbox.sandboxId])
    await sandbox.kill()
    expect((await fetch(`https://${sandbox.getHost(8000)}/`)).status).toBe(502)
    await expect(sandbox.commands.run('true')).rejects.toThrow(SandboxNotFoundError)
  })

  it('refuses names of nothing', async () => {
    const { port } = new URL(`https://${domain}`)
    expect((await fetch(`https://8000-abcdef.${domain}/`)).status).toBe(502)
    expect((await fetch(`https://8000-.${domain}/`)).status).toBe(400)
    expect((await fetch(`https://api.${domain}/v2/sandboxes`)).status).toBe(401)
    await expect(fetch(`https://a.b.sbx.test:${port}/`)).rejects.toThrow()
  })
})

describe('a program of a user', () => {
  const run = (env: Record<string, string>) =>
    promisify(execFile)(process.execPath, ['--import', PRELOAD, '--input-type=module', '-e', PROGRAM], {
      cwd: join(REPOSITORY, 'test/compat'),
      env: { PATH: process.env.PATH, E2B_API_KEY: process.env.E2B_API_KEY, E2B_DOMAIN: vendor.domain, ...env },
    }).then(({ stdout }) => stdout.trim())

  it('needs the variables that `spawnpoint tls` prints, and nothing else', async () => {
    expect(await run({ NODE_EXTRA_CA_CERTS: vendor.certificates?.authority ?? '' })).toBe('/home/user')
  })

  it('does not reach a server that it has no reason to trust', async () => {
    await expect(run({})).rejects.toThrow(/certificate/)
  })
})

const TELLER = `
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ' '.join([self.path, self.headers['host'], self.headers['x-forwarded-proto']]).encode()
        self.send_response(200); self.send_header('content-length', str(len(body))); self.end_headers(); self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', 8000), Handler).serve_forever()
`

const PROGRAM = `
import { Sandbox } from 'e2b'
const sandbox = await Sandbox.create('base')
console.log((await sandbox.commands.run('pwd')).stdout)
await sandbox.kill()
`

/** Stands for a wildcard record in the DNS. */
const PRELOAD = `data:text/javascript,${encodeURIComponent(`
import dns from 'node:dns'
const real = dns.lookup
dns.lookup = (name, ...rest) => real(name.endsWith('.sbx.test') ? '127.0.0.1' : name, ...rest)
`)}`
