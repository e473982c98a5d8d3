import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Of this process alone, so that tests beside it have their own; from what is set apart for documentation */
const NETWORK = freeNetwork()
const [HOST_SIDE, OUTSIDE] = [1, 2].map((n) => NETWORK.replace(/\d+$/, (last) => String(Number(last) + n))) as [
  string,
  string,
]

/**
 * A name server, and HTTP and HTTPS servers that answer with the headers of the request; on a WebSocket, to the first message,
 * with the message beside them; something else than HTTP on port 5432. Hosts in `answers` answer what their function makes of
 * the body.
 */
const SERVERS = `
const crypto = require('node:crypto'), dgram = require('node:dgram'), http = require('node:http'), https = require('node:https'), fs = require('node:fs')
const [address, key, cert, answers, ...names] = process.argv.slice(1), special = eval('(' + answers + ')')
const dns = dgram.createSocket('udp4')
dns.on('message', (query, from) => {
  const labels = []
  let at = 12
  for (; query[at] > 0; at += query[at] + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]))
  const end = at + 5, known = names.includes(labels.join('.').toLowerCase()), a = query.readUInt16BE(at + 1) === 1
  const head = Buffer.from(query.subarray(0, end))
  head.writeUInt16BE(known ? 0x8180 : 0x8183, 2)
  head.writeUInt16BE(known && a ? 1 : 0, 6)
  head.writeUInt32BE(0, 8)
  const answer = known && a ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)]) : Buffer.alloc(0)
  dns.send(Buffer.concat([head, answer]), from.port, from.address)
})
const answer = async (request, response) => {
  const own = special[request.headers.host]
  let body = ''
  if (own) for await (const chunk of request.setEncoding('utf8')) body += chunk
  response.end(own ? own(body) : JSON.stringify({ ...request.headers, 'x-request-target': request.url }))
}
const upgrade = (request, socket) => {
  const hash = crypto.createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11')
  const head = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket']
  socket.write([...head, 'Sec-WebSocket-Accept: ' + hash.digest('base64'), '', ''].join('\\r\\n'))
  socket.once('data', (frame) => {
    const mask = frame.subarray(2, 6), text = frame.subarray(6, 6 + (frame[1] & 127)).map((byte, at) => byte ^ mask[at % 4])
    const said = Buffer.from(JSON.stringify({ ...request.headers, message: text.toString() }))
    socket.end(Buffer.concat([Buffer.from([0x81, 126, said.length >> 8, said.length & 255]), said]))
  })
}
http.createServer(answer).on('upgrade', upgrade).listen(80, '0.0.0.0')
https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, answer).on('upgrade', upgrade).listen(443, '0.0.0.0')
require('node:net').createServer((socket) => socket.end('a database\\n')).listen(5432, '0.0.0.0')
dns.bind(53, '0.0.0.0', () => console.log('ready'))
`

/** Hosts by name on "the internet": a namespace behind this machine, with a certificate of an authority of its own. */
export class OutsideHosts implements AsyncDisposable {
  /** What a server is given to find the hosts, and to trust them */
  readonly server: Record<string, string>
  readonly #name = `spe${process.pid}`
  readonly #dir = mkdtempSync(join(tmpdir(), 'spawnpoint-hosts-'))
  #process: ChildProcess | null = null

  private constructor() {
    this.server = { SPAWNPOINT_DNS: OUTSIDE, NODE_EXTRA_CA_CERTS: join(this.#dir, 'cert.pem') }
  }

  /** `answers` are functions, as text, of what hosts answer instead of the headers of a request. */
  static async open(names: readonly string[], answers: Record<string, string> = {}): Promise<OutsideHosts> {
    const hosts = new OutsideHosts()
    try {
      await hosts.#start(names, answers)
      return hosts
    } catch (error) {
      await hosts[Symbol.asyncDispose]()
      throw error
    }
  }

  async #start(names: readonly string[], answers: Record<string, string>): Promise<void> {
    const name = this.#name
    execFileSync('ip', ['netns', 'add', name])
    const outer = [
      `link add ${name} type veth peer name eth0 netns ${name}`,
      `addr add ${HOST_SIDE}/30 dev ${name}`,
      `link set ${name} up`,
    ]
    const inner = [
      'link set lo up',
      `addr add ${OUTSIDE}/30 dev eth0`,
      'link set eth0 up',
      `route add default via ${HOST_SIDE}`,
    ]
    execFileSync('ip', ['-batch', '-'], { input: outer.join('\n') })
    execFileSync('ip', ['-n', name, '-batch', '-'], { input: inner.join('\n') })
    const [key, cert] = [join(this.#dir, 'key.pem'), join(this.#dir, 'cert.pem')]
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    const alternatives = `subjectAltName=${names.map((one) => `DNS:${one}`).join(',')}`
    const subject = ['-subj', '/CN=hosts of a test', '-addext', alternatives]
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    const entries = Object.entries(answers).map(([host, text]) => `${JSON.stringify(host)}: ${text}`)
    const hosts = [`{ ${entries.join(', ')} }`, ...names]
    const args = ['netns', 'exec', name, process.execPath, '-e', SERVERS, OUTSIDE, key, cert, ...hosts]
    this.#process = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(this.#process.stdout as NodeJS.ReadableStream, 'data')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process !== null) {
      this.#process.kill('SIGKILL')
      await once(this.#process, 'exit')
    }
    spawnSync('ip', ['-force', '-batch', '-'], {
      input: `link delete ${this.#name}\nnetns delete ${this.#name}\n`,
      // What is not there, where its making failed, is said and goes on.
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    rmSync(this.#dir, { recursive: true })
  }
}

/** One that nothing of this host has: numbers of two processes may be as many apart as there are networks. */
function freeNetwork(): string {
  const taken = execFileSync('ip', ['-4', '-oneline', 'address'], { encoding: 'utf8' })
  const all = Array.from({ length: 62 }, (_, n) => `203.0.113.${((process.pid + n) % 62) * 4}`)
  const free = all.find(
    (network) => !taken.includes(` ${network.replace(/\d+$/, (last) => String(Number(last) + 1))}/`),
  )
  if (free === undefined) throw new Error('every network for tests is taken')
  return free
}
