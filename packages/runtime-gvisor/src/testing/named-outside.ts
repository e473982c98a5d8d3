import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { METADATA, OUTSIDE, OUTSIDE_HOST_SIDE, Outside } from './outside.ts'

/** A name whose address is told once `RELEASE` is asked for */
export const HELD = 'held.test'
export const RELEASE = 'release.test'

/** What the name server of the test's "internet" knows. */
export const NAMES: Record<string, string> = {
  'good.test': OUTSIDE,
  'bad.test': OUTSIDE,
  'wild.test': OUTSIDE,
  'a.wild.test': OUTSIDE,
  'loopback.test': '127.0.0.1',
  'host.test': OUTSIDE_HOST_SIDE,
  'metadata.test': METADATA,
  'guest.test': '100.64.0.9',
  [HELD]: OUTSIDE,
  [RELEASE]: OUTSIDE,
}

/** A name server, and web servers on ports 80 and 443 that say for whom they were asked. */
const SERVERS = `
const dgram = require('node:dgram'), http = require('node:http'), tls = require('node:tls'), fs = require('node:fs')
const names = ${JSON.stringify(NAMES)}, held = []
const dns = dgram.createSocket('udp4')
dns.on('message', (query, from) => {
  const labels = []
  let at = 12
  for (; query[at] > 0; at += query[at] + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]))
  const name = labels.join('.').toLowerCase()
  const end = at + 5, address = names[name], a = query.readUInt16BE(at + 1) === 1
  const head = Buffer.from(query.subarray(0, end))
  head.writeUInt16BE(address ? 0x8180 : 0x8183, 2)
  head.writeUInt16BE(address && a ? 1 : 0, 6)
  head.writeUInt32BE(0, 8)
  const answer = address && a ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)]) : Buffer.alloc(0)
  const tell = () => dns.send(Buffer.concat([head, answer]), from.port, from.address)
  if (name === '${HELD}') return held.push(tell)
  if (name === '${RELEASE}') for (const one of held.splice(0)) one()
  tell()
})
http.createServer((request, response) => {
  if (request.url === '/slow') return response.writeHead(200).write('x')
  response.end('http of ' + request.headers.host + '\\n')
}).listen(80, '0.0.0.0')
const [key, cert] = process.argv.slice(1).map((file) => fs.readFileSync(file))
tls.createServer({ key, cert }, (socket) => {
  socket.on('error', () => {})
  socket.end('tls of ' + socket.servername + '\\n')
}).listen(443, '0.0.0.0')
dns.bind(53, '0.0.0.0', () => console.log('ready'))
`

/** As `Outside`, where hosts have names. */
export class NamedOutside implements AsyncDisposable {
  readonly #outside: Outside
  readonly #dir: string
  readonly #servers: ChildProcess

  private constructor(outside: Outside, dir: string, servers: ChildProcess) {
    this.#outside = outside
    this.#dir = dir
    this.#servers = servers
  }

  static async open(): Promise<NamedOutside> {
    const outside = await Outside.open()
    const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-outside-'))
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ]
    execFileSync('openssl', [...request, '-subj', '/CN=test', '-keyout', key, '-out', cert], { stdio: 'ignore' })
    const args = ['netns', 'exec', outside.name, process.execPath, '-e', SERVERS, key, cert]
    const servers = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const named = new NamedOutside(outside, dir, servers)
    await once(servers.stdout as NodeJS.ReadableStream, 'data')
    return named
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#servers.kill('SIGKILL')
    await once(this.#servers, 'exit')
    rmSync(this.#dir, { recursive: true })
    await this.#outside[Symbol.asyncDispose]()
  }
}
