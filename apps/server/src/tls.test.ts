import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openTls, type TlsListener } from './tls.ts'
import type { Handlers } from './traffic.ts'

const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-tls-'))
const config = { cert: join(dir, 'cert'), key: join(dir, 'key'), port: 0 }
const logged: Record<string, unknown>[] = []
const log = pino({ level: 'debug' }, { write: (line) => void logged.push(JSON.parse(line)) })
const handlers: Handlers = {
  request: (req, res) => void res.end(`${req.headers.host} ${req.httpVersion}`),
  upgrade: (_req, socket) =>
    void socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
}
let listener: TlsListener

function makePair(name: string, cert: string, key: string): void {
  const names = `subjectAltName=DNS:*.${name}`
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`]
  execFileSync('openssl', ['req', '-x509', ...made, '-addext', names, '-keyout', key, '-out', cert], { stdio: 'pipe' })
}

beforeAll(async () => {
  makePair('sbx.test', config.cert, config.key)
  listener = await openTls(config, '127.0.0.1', 'sbx.test:7443', log, 50)
})
afterAll(async () => {
  await listener[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true })
})

async function get(name: string, headers: Record<string, string> = {}) {
  const trusted = { ca: readFileSync(config.cert), servername: name, agent: false }
  const req = request({ host: '127.0.0.1', port: listener.port, ...trusted, headers: { host: name, ...headers } })
  req.end()
  const [response] = await Promise.race([once(req, 'response'), once(req, 'upgrade')])
  return { status: response.statusCode, text: String(await response.setEncoding('utf8').toArray()) }
}

it('says that it is not ready until it is, then serves as the plain one', async () => {
  expect((await get('api.sbx.test')).status).toBe(503)
  listener.serve(handlers)
  expect(await get('api.sbx.test')).toEqual({ status: 200, text: 'api.sbx.test 1.1' })
  expect((await get('api.sbx.test', { connection: 'Upgrade', upgrade: 'x' })).status).toBe(101)
  expect(logged).toEqual([])
})

it('speaks HTTP/1.1 to clients that would rather have another', async () => {
  const socket = connect({
    host: '127.0.0.1',
    port: listener.port,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  await once(socket, 'secureConnect')
  expect(socket.alpnProtocol).toBe('http/1.1')
  socket.destroy()
})

it('takes a new certificate while it runs, and none whose key is another', async () => {
  makePair('other.test', join(dir, 'new-cert'), join(dir, 'new-key'))
  const before = readFileSync(config.cert)
  renameSync(join(dir, 'new-cert'), config.cert)
  await expect
    .poll(() => logged.map(({ msg }) => msg), { timeout: 10_000 })
    .toContainEqual(expect.stringContaining('cannot be taken'))
  const after = readFileSync(config.cert)
  writeFileSync(config.cert, before)
  expect((await get('api.sbx.test')).status).toBe(200)
  writeFileSync(config.cert, after)
  renameSync(join(dir, 'new-key'), config.key)
  await expect.poll(() => get('api.other.test').catch(() => null), { timeout: 10_000 }).toMatchObject({ status: 200 })
  expect(logged).toContainEqual(
    expect.objectContaining({ name: 'api.sbx.test', msg: expect.stringContaining('does not cover') }),
  )
})

it('tells what is wrong', async () => {
  const open = (given: object) => openTls({ ...config, ...given }, '127.0.0.1', 'sbx.test', log)
  await expect(open({ cert: join(dir, 'none') })).rejects.toMatchObject({
    message: expect.stringContaining('cannot be read'),
  })
  await expect(open({ key: config.cert })).rejects.toMatchObject({
    message: expect.stringContaining('not a certificate and its key'),
  })
  await expect(open({ port: listener.port })).rejects.toMatchObject({
    message: expect.stringContaining('SPAWNPOINT_TLS_PORT'),
  })
})
