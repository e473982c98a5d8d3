import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientRequest, createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, createServer as createHttps, request } from 'node:https'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SecureContext, connect as tlsConnect } from 'node:tls'
import type { OutgoingRule } from '@spawnpoint/core'
import { Asker } from '@spawnpoint/outbound'
import { silentLog } from '../log.ts'
import { Authority } from '../network/egress/authority.ts'
import { Agents, type InterceptedGuest, Interceptor } from '../network/egress/interceptor.ts'
import { servicesBoundary } from '../network/egress/services.ts'

/** Loopback, where nobody else of this machine listens on ports 80 and 443 */
const UPSTREAM = `127.77.${(process.pid >> 8) & 255}.${process.pid & 255}`

/** The rule that counts at the beginning of each test. */
export const RULE: OutgoingRule = {
  hosts: ['api.test'],
  paths: [],
  matchHeaders: [],
  headers: [{ name: 'X-Key', value: 'secret' }],
}

export interface Heard {
  url: string
  headers: string[]
  body: string
}

/** An interceptor between a guest and hosts outside, all of them one server, and so are the services that it asks. */
export class InterceptedWorld implements AsyncDisposable {
  readonly #dir = mkdtempSync(join(tmpdir(), 'spawnpoint-intercept-'))
  /** Whom guests trust, and whom the server does */
  readonly own = Authority.open(join(this.#dir, 'own'))
  readonly others = Authority.open(join(this.#dir, 'others'))
  /** Whom the guest asks, over TLS */
  host = 'api.test'
  /** What hosts heard */
  readonly heard: Heard[] = []
  /** By what names they were asked for, over TLS */
  readonly secured: string[] = []
  guest = this.#freshGuest()
  handle = this.#remember
  readonly #resolver = { resolve4: async () => [UPSTREAM] }
  readonly #interceptor = new Interceptor(
    this.own,
    new Asker(servicesBoundary(this.#resolver, ['127.0.0.0/8']), () => [this.others.certificate]),
    silentLog,
  )
  readonly #upstreams: { close(): unknown; closeAllConnections(): void }[] = []
  readonly #front = this.#frontFor('tls')
  readonly #plain = this.#frontFor('plain')

  async open(): Promise<void> {
    const serve = (req: IncomingMessage, res: ServerResponse) => this.handle(req, res)
    const byName = (name: string, done: (error: null, context: SecureContext) => void) => {
      this.secured.push(name)
      done(null, this.others.contextFor(name))
    }
    const secure = createHttps({ SNICallback: byName }, serve)
    const bare = createHttp(serve)
    for (const server of [secure, bare]) {
      server.on('upgrade', (req, socket: Socket, head) => {
        this.heard.push({ url: req.url ?? '', headers: req.rawHeaders, body: '' })
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n')
        socket.write(head)
        socket.pipe(socket)
      })
      this.#upstreams.push(server)
    }
    await once(secure.listen(443, UPSTREAM), 'listening')
    await once(bare.listen(80, UPSTREAM), 'listening')
    for (const server of [this.#front, this.#plain]) await once(server.listen(0, '127.0.0.1'), 'listening')
  }

  /** As it was at the beginning. */
  reset(): void {
    this.heard.length = 0
    this.secured.length = 0
    this.host = 'api.test'
    this.guest = this.#freshGuest()
    this.handle = this.#remember
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#interceptor.close()
    for (const server of this.#upstreams) {
      server.close()
      server.closeAllConnections()
    }
    this.#front.close()
    this.#plain.close()
    rmSync(this.#dir, { recursive: true })
  }

  /** Of a header, in the first request that a host heard. */
  readonly valuesOf = (name: string, { headers }: Pick<Heard, 'headers'> = this.heard[0] ?? { headers: [] }) =>
    headers.filter((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === name)

  /** A request as a guest makes it, that trusts the server's authority. */
  readonly ask = async (options: {
    method?: string
    path?: string
    headers?: Record<string, string>
    body?: (outgoing: ClientRequest) => void
    agent?: Agent
  }): Promise<{ status: number; body: string }> => {
    const outgoing = request({
      host: '127.0.0.1',
      port: portOf(this.#front),
      servername: this.host,
      ca: this.own.certificate,
      method: options.method ?? 'GET',
      path: options.path ?? '/',
      headers: { host: this.host, ...options.headers },
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
  readonly raw = async (
    text: string,
    over: 'tls' | 'plain' = 'tls',
    isEnough: (answer: string) => boolean = () => false,
  ): Promise<string> => {
    const socket = over === 'tls' ? this.connectTls() : connect(portOf(this.#plain), '127.0.0.1')
    socket.on('error', () => {})
    socket.write(text)
    let answer = ''
    for await (const chunk of socket.setEncoding('utf8')) {
      answer += chunk
      if (isEnough(answer)) break
    }
    return answer
  }

  /** As a guest connects. */
  connectTls() {
    return tlsConnect({
      port: portOf(this.#front),
      host: '127.0.0.1',
      servername: this.host,
      ca: this.own.certificate,
    })
  }

  #freshGuest(): InterceptedGuest {
    const lookup: InterceptedGuest['lookup'] = () => (_host, options, done) =>
      options.all === true ? done(null, [{ address: UPSTREAM, family: 4 }]) : done(null, UPSTREAM, 4)
    return {
      rules: [RULE],
      lookup,
      mayAskFor: () => true,
      lookupInstead: lookup,
      agents: new Agents([this.others.certificate]),
    }
  }

  #remember(req: IncomingMessage, res: ServerResponse): void {
    const chunks: Buffer[] = []
    req.on('data', (chunk) => chunks.push(chunk))
    req.on('end', () => {
      this.heard.push({ url: req.url ?? '', headers: req.rawHeaders, body: Buffer.concat(chunks).toString() })
      res.end('ok')
    })
  }

  /** As the proxy does: it has read whom a connection is for. */
  #frontFor(over: 'tls' | 'plain'): Server {
    return createServer({ allowHalfOpen: true, pauseOnConnect: true }, async (socket) => {
      socket.resume()
      const [bytes] = (await once(socket, 'data')) as [Buffer]
      socket.pause().unshift(bytes)
      this.#interceptor.take(socket, this.guest, over === 'tls' ? this.host : null)
    })
  }
}

export function portOf(server: { address(): unknown }): number {
  const address = server.address()
  return typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : 0
}
