import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Sandbox as Interpreter } from '@e2b/code-interpreter'
import { Sandbox, SandboxNotFoundError } from 'e2b'
import { Sandbox as NovitaSandbox } from 'novita-sandbox'
import { Sandbox as NovitaInterpreter } from 'novita-sandbox/code-interpreter'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { REPOSITORY } from '../../e2e/world.ts'
import { Certificates } from '../over-tls.ts'
import { VendorWorld } from '../vendor-world.ts'

const certificates = new Certificates()
let vendor: VendorWorld
let domain: string
beforeAll(async () => {
  vendor = await VendorWorld.startOverTls(certificates)
  domain = vendor.world.domain ?? ''
  await vendor.world.importInterpreter()
}, 900_000) // the first run builds the image
afterAll(async () => {
  await vendor[Symbol.asyncDispose]()
  certificates[Symbol.dispose]()
})

const SERVER = `
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ' '.join([self.path, self.headers['host'], self.headers['x-forwarded-proto']]).encode()
        self.send_response(200); self.send_header('content-length', str(len(body))); self.end_headers(); self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', 8000), Handler).serve_forever()
`

describe('by domain over TLS', () => {
  it('serves the API, the agent and ports of sandboxes, each by its own name', async () => {
    expect(domain).toMatch(/^sbx\.test:\d+$/)
    const sandbox = await Sandbox.create('base', { timeoutMs: 300_000, metadata: { over: 'tls' } })
    expect(sandbox.sandboxDomain).toBe(domain)
    const { exitCode, stdout } = await sandbox.commands.run('echo $HOME; id -un')
    expect([exitCode, stdout]).toEqual([0, '/home/user\nuser\n'])
    await sandbox.files.write('/home/user/server.py', SERVER)
    expect(await sandbox.files.read('/home/user/server.py')).toBe(SERVER)
    const download = await sandbox.downloadUrl('/home/user/server.py')
    expect(download).toContain(`https://49983-${sandbox.sandboxId}.${domain}/`)
    expect(await (await fetch(download)).text()).toBe(SERVER)

    await sandbox.commands.run('python3 server.py', { background: true })
    expect(sandbox.getHost(8000)).toBe(`8000-${sandbox.sandboxId}.${domain}`)
    const response = await fetch(`https://${sandbox.getHost(8000)}/path?x=1`)
    expect([response.status, await response.text()]).toEqual([200, `/path?x=1 ${sandbox.getHost(8000)} https`])

    expect(
      (await Sandbox.list({ query: { metadata: { over: 'tls' } } }).nextItems()).map((one) => one.sandboxId),
    ).toEqual([sandbox.sandboxId])
    await sandbox.kill()
    expect((await fetch(`https://${sandbox.getHost(8000)}/`)).status).toBe(502)
    await expect(sandbox.commands.run('true')).rejects.toThrow(SandboxNotFoundError)
  })

  it('passes WebSockets on', async () => {
    const sandbox = await Sandbox.create('base')
    await sandbox.files.write('/home/user/echo.js', ECHO)
    await sandbox.commands.run('node echo.js', { background: true })
    const socket = new WebSocket(`wss://${sandbox.getHost(9000)}/`)
    const answer = await new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.once('upgrade', (response) => resolve(response.headers['x-said']))
    })
    expect(answer).toBe('hello')
    socket.terminate()
    await sandbox.kill()
  })

  it('runs code', async () => {
    const sandbox = await Interpreter.create()
    expect((await sandbox.runCode('6 * 7')).text).toBe('42')
    await sandbox.kill()
  })

  it('refuses names of nothing', async () => {
    const { port } = new URL(`https://${domain}`)
    expect((await fetch(`https://8000-abcdef.${domain}/`)).status).toBe(502)
    expect((await fetch(`https://8000-.${domain}/`)).status).toBe(400)
    expect((await fetch(`https://api.${domain}/v2/sandboxes`)).status).toBe(401)
    await expect(fetch(`https://a.b.sbx.test:${port}/`)).rejects.toThrow()
  })
})

describe('Novita', () => {
  it('works by domain, with the port of a sandbox', async () => {
    const sandbox = await NovitaSandbox.create('base')
    expect((await sandbox.commands.run('echo $((6 * 7))')).stdout).toBe('42\n')
    await sandbox.files.write('/home/user/server.py', SERVER)
    await sandbox.commands.run('python3 server.py', { background: true })
    expect((await fetch(`https://${sandbox.getHost(8000)}/`)).status).toBe(200)
    await sandbox.kill()
  })

  it('runs code in contexts, which needs a domain', async () => {
    const sandbox = await NovitaInterpreter.create()
    const context = await sandbox.createCodeContext({ cwd: '/tmp' })
    await sandbox.runCode('x = 20', { context })
    const { text, logs } = await sandbox.runCode('print("größe")\nx + 1', { context })
    expect([text, logs.stdout]).toEqual(['21', ['größe\n']])
    expect((await sandbox.listCodeContexts()).map(({ id }) => id)).toContain(context.id)
    await sandbox.restartCodeContext(context)
    expect((await sandbox.runCode('x', { context })).error?.name).toBe('NameError')
    await sandbox.removeCodeContext(context)
    const { snapshotId } = await sandbox.createSnapshot()
    await sandbox.runCode('y = 1')
    const clone = await NovitaInterpreter.create(snapshotId)
    expect((await clone.runCode('y')).error?.name).toBe('NameError')
    for (const one of [sandbox, clone]) await one.kill()
  })
})

describe('a program of a user', () => {
  const run = (env: Record<string, string>) =>
    promisify(execFile)(process.execPath, ['--import', PRELOAD, '--input-type=module', '-e', PROGRAM], {
      cwd: join(REPOSITORY, 'test/compat'),
      env: { PATH: process.env.PATH, E2B_API_KEY: process.env.E2B_API_KEY, E2B_DOMAIN: domain, ...env },
    }).then(({ stdout }) => stdout.trim())

  it('needs the variables that `spawnpoint tls` prints, and nothing else', async () => {
    expect(await run({ NODE_EXTRA_CA_CERTS: certificates.authority })).toBe('/home/user')
  })

  it('does not reach a server that it has no reason to trust', async () => {
    await expect(run({})).rejects.toThrow(/certificate/)
  })
})

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

const ECHO = `
require('http').createServer().on('upgrade', (req, socket) => socket.write([
  'HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket', 'X-Said: hello',
  'Sec-WebSocket-Accept: ' + require('crypto').createHash('sha1')
    .update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64'),
  '', '',
].join('\\r\\n'))).listen(9000, '127.0.0.1')
`
