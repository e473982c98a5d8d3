import {
  type ClientRequest,
  createServer as createHttpServer,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { LookupFunction, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import { type CredentialRewrite, matchingRule, type OutgoingRule } from '@spawnpoint/core'
import type { Asker } from '@spawnpoint/outbound'
import type { Log } from '../../log.ts'
import { Authorizer } from './auth/authorizer.ts'
import { type Authorized, NotAuthorized, RequestBody } from './auth/outgoing-request.ts'
import type { Authority } from './authority.ts'
import { forwardedHeaders, headerPairs, withoutCredentials } from './forward-headers.ts'

const MAX_HEADER_BYTES = 64 * 1024
const CONNECT_MS = 15_000
/** Connections to one host that wait for their next request, of one guest */
const MAX_IDLE = 16
const IDLE_MS = 30_000

/** Whose requests these are, and what holds for them now. */
export interface InterceptedGuest {
  /** `null` while nobody has said yet what goes into its requests: a server that has just started */
  rules: readonly OutgoingRule[] | null
  /** Resolves a host to an address that the guest may reach on this port. */
  lookup: (port: number) => LookupFunction
  /** Whether the guest's requests may be for this host, wherever they then go. */
  mayAskFor(host: string, port: number): boolean
  /** Resolves a host that requests for others are sent to, to an address that is allowed for that. */
  lookupInstead: (port: number) => LookupFunction
  agents: Agents
}

/** Connections that one guest's requests go out on; nobody else's do. */
export class Agents implements Disposable {
  readonly http = new HttpAgent({ keepAlive: true, maxFreeSockets: MAX_IDLE, timeout: IDLE_MS })
  readonly https: HttpsAgent
  /** To hosts that requests for others go to: of these other addresses are allowed */
  readonly instead: HttpsAgent

  constructor(roots: readonly string[]) {
    const options = {
      keepAlive: true,
      maxFreeSockets: MAX_IDLE,
      timeout: IDLE_MS,
      ca: [...roots],
      ALPNProtocols: ['http/1.1'],
    }
    this.https = new HttpsAgent(options)
    this.instead = new HttpsAgent(options)
  }

  /** Keeps no connection any more; requests that are under way end on theirs. */
  retire(): void {
    for (const agent of [this.http, this.https, this.instead]) {
      agent.maxFreeSockets = 0
      for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
    }
  }

  [Symbol.dispose](): void {
    this.http.destroy()
    this.https.destroy()
    this.instead.destroy()
  }
}

interface Connection {
  guest: InterceptedGuest
  /** Of a TLS connection: the only one that it is for */
  host: string | null
}

/**
 * Takes the place of the hosts that a guest's rules name: speaks HTTP/1.1 with the guest, TLS with a certificate of its own
 * where the guest expects one, puts into each request what the first rule that fits says, and sends it on to the host, whose
 * certificate it checks. Node's parser reads both sides strictly, and every message is framed anew.
 */
export class Interceptor {
  readonly #log: Log
  readonly #authorizer: Authorizer
  readonly #http: Server
  readonly #tls: TlsServer
  /** By remote address and port, until the TLS handshake is over */
  readonly #arriving = new Map<string, Connection>()
  readonly #connections = new WeakMap<Duplex, Connection>()

  constructor(authority: Authority, asker: Asker, log: Log) {
    this.#log = log
    this.#authorizer = new Authorizer(asker, log)
    this.#http = createHttpServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        requestTimeout: 0,
        // Without a `requestTimeout` Node has none for headers either, unless it is told.
        headersTimeout: 60_000,
        keepAliveTimeout: 60_000,
        insecureHTTPParser: false,
      },
      (request, response) => {
        this.#request(request, response).catch((error: unknown) => {
          this.#log.error({ error: String(error) }, 'An intercepted request was not served')
          response.destroy()
        })
      },
    )
    this.#http.on('upgrade', (request, socket, head) => {
      this.#upgrade(request, socket, head).catch((error: unknown) => {
        this.#log.error({ error: String(error) }, 'An intercepted connection was not served')
        socket.destroy()
      })
    })
    this.#tls = createTlsServer({
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      SNICallback: (name, done) => done(null, authority.contextFor(name.toLowerCase())),
    })
    this.#tls.on('secureConnection', (socket) => {
      const connection = this.#arriving.get(endOf(socket))
      if (connection === undefined) {
        socket.destroy()
        return
      }
      this.#connections.set(socket, connection)
      this.#http.emit('connection', socket)
    })
    // A guest that does not trust us, or speaks something else: it knows.
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy())
  }

  /** Serves a connection whose first bytes were read and put back. */
  take(socket: Socket, guest: InterceptedGuest, tlsHost: string | null): void {
    const connection = { guest, host: tlsHost?.toLowerCase().replace(/\.$/, '') ?? null }
    if (tlsHost === null) {
      this.#connections.set(socket, connection)
      this.#http.emit('connection', socket)
      socket.resume()
    } else {
      const end = endOf(socket)
      this.#arriving.set(end, connection)
      socket.once('close', () => this.#arriving.delete(end))
      // It takes what was put back by itself: nobody else may read it.
      this.#tls.emit('connection', socket)
    }
  }

  close(): void {
    this.#http.closeAllConnections()
  }

  async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const plan = await this.#plan(request)
    if ('status' in plan) {
      if (!response.destroyed) refuse(response, plan)
      return
    }
    response.on('close', () => plan.body[Symbol.dispose]())
    if (response.destroyed) {
      plan.body[Symbol.dispose]()
      return
    }
    const outgoing = plan.send()
    const failed = (error: Error) => {
      if (response.headersSent) response.destroy()
      else if (!response.destroyed) refuse(response, plan.unreachable(error))
      this.#log.debug({ error: String(error), host: plan.host }, 'An intercepted request failed')
    }
    outgoing.on('error', failed)
    outgoing.on('response', (incoming) => {
      try {
        response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage, answerHeaders(incoming))
      } catch (error) {
        // What a host answers need not be what may be answered.
        outgoing.destroy()
        failed(error as Error)
        return
      }
      // An answer that is cut off is cut off for the guest too: the pipeline destroys the other end.
      pipeline(incoming, response, () => {})
    })
    response.on('close', () => outgoing.destroy())
    if (plan.body.whole !== null) outgoing.end(plan.body.whole)
    else if (plan.hasBody) pipeline(request, outgoing, () => {})
    else outgoing.end()
  }

  /** WebSockets, and whatever else begins as HTTP: once both ends agree, bytes go through unread. */
  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    const plan = await this.#plan(request, socket)
    if ('status' in plan) {
      socket.end(plainRefusal(plan))
      return
    }
    // What is sent behind it is the other protocol's.
    plan.body[Symbol.dispose]()
    if (socket.destroyed) return
    const outgoing = plan.send(['Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? ''])
    outgoing.on('error', (error) => socket.end(plainRefusal(plan.unreachable(error))))
    socket.on('close', () => outgoing.destroy())
    outgoing.on('response', (incoming) => {
      socket.write(headText(incoming, ['Connection', 'close']))
      pipeline(incoming, socket, () => {})
    })
    outgoing.on('upgrade', (incoming, upstream, first) => {
      upstream.on('error', () => upstream.destroy()).once('close', () => socket.destroy())
      const { upgrade = '' } = incoming.headers
      socket.write(headText(incoming, ['Connection', 'Upgrade', 'Upgrade', upgrade]))
      if (first.length > 0) socket.write(first)
      if (head.length > 0) upstream.write(head)
      socket.once('close', () => upstream.destroy())
      socket.pipe(upstream)
      upstream.pipe(socket)
    })
    outgoing.end()
  }

  async #plan(request: IncomingMessage, from: Duplex = request.socket): Promise<Plan | Refusal> {
    const connection = this.#connections.get(from)
    if (connection === undefined) return { status: 500, reason: 'the connection is not known' }
    const { guest } = connection
    const { method = '', url = '' } = request
    const pairs = headerPairs(request.rawHeaders)
    const hosts = pairs.filter(([name]) => name.toLowerCase() === 'host').map(([, value]) => value)
    const given = hosts[0] ?? ''
    const host = given.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
    if (hosts.length !== 1 || !HOST.test(host)) return { status: 400, reason: 'one Host is needed' }
    // Otherwise the request would go, with what belongs to one host, to another.
    if (connection.host !== null && host !== connection.host)
      return { status: 421, reason: `this connection is for ${connection.host}` }
    if (!url.startsWith('/') && !(url === '*' && method === 'OPTIONS'))
      return { status: 400, reason: 'the request must name a path' }
    // An answer to TRACE shows the request as it arrived.
    if (method === 'TRACE' || method === 'CONNECT') return { status: 405, reason: `${method} is not passed on` }
    if (guest.rules === null) return { status: 503, reason: 'the server has just started' }
    const secure = connection.host !== null
    const port = secure ? 443 : 80
    const rule = matchingRule(guest.rules, host, url, pairs, port)
    // Not left to the look-up: a connection that is there already was for another host's requests, perhaps.
    if (rule?.rewrite !== undefined && !guest.mayAskFor(host, port))
      return { status: 502, reason: `${host} is not allowed` }
    const set: { name: string; value: string }[] = []
    for (const { name, value } of headersFor(guest.rules, rule)) {
      if (value === null) return { status: 502, reason: `the credential for ${name} cannot be read; set it again` }
      set.push({ name, value })
    }
    const framing = pairs.filter(([name]) => ['content-length', 'transfer-encoding'].includes(name.toLowerCase()))
    const hasBody = framing.length > 0
    const chunked = request.headers['transfer-encoding'] !== undefined
    const { 'content-length': length } = request.headers
    const body = new RequestBody(request, hasBody, guest)
    let authorized: Authorized = { set: [] }
    if (rule?.auth !== undefined) {
      // As they go on: a signature is of nothing else.
      const asked = { method, host, port, target: url, headers: passedOn(pairs), body } as const
      try {
        authorized = await this.#authorizer.authorize(rule.auth, asked)
      } catch (error) {
        body[Symbol.dispose]()
        if (!(error instanceof NotAuthorized)) throw error
        return { status: error.status, reason: error.message }
      }
    }
    const { drop = [], target = url } = authorized
    const rest = pairs.filter(
      ([name]) => !['host', 'content-length', 'expect', ...drop].includes(name.toLowerCase().replaceAll('_', '-')),
    )
    const framed = body.whole === null && chunked ? ['Transfer-Encoding', 'chunked'] : []
    const size = body.whole === null ? length : String(body.whole.length)
    const { rewrite } = rule ?? {}
    // What is signed has no port, as none is meant but the usual one.
    const way = rewrite === undefined ? straight(guest, host, secure) : instead(guest, rewrite)
    const isSigned = rule?.auth?.type === 'aws' || rule?.auth?.type === 'aws_role'
    const named = rewrite === undefined && !isSigned ? given : way.named
    const own = withoutCredentials(rest, rewrite?.guestCredentials ?? 'keep')
    const headers = [
      'Host',
      named,
      ...forwardedHeaders(own, [...set, ...authorized.set]),
      ...(framed.length > 0 ? framed : size === undefined || !hasBody ? [] : ['Content-Length', size]),
    ]
    return {
      host,
      hasBody,
      body,
      unreachable: (error) => (rewrite === undefined ? unreachable(host, error) : UNREACHABLE_INSTEAD),
      send: (more = []) => {
        const outgoing = way.request({ method, path: target, headers: [...headers, ...more] })
        outgoing.on('socket', (socket) => {
          if (!socket.connecting) return
          const late = setTimeout(() => outgoing.destroy(new Error('it does not answer')), CONNECT_MS)
          socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => clearTimeout(late))
          socket.once('close', () => clearTimeout(late))
        })
        return outgoing
      },
    }
  }
}

interface Plan {
  host: string
  hasBody: boolean
  body: RequestBody
  unreachable(error: Error): Refusal
  send(more?: string[]): ClientRequest
}

/** Where a request goes. */
interface Way {
  /** As its `Host` */
  named: string
  request(options: RequestOptions): ClientRequest
}

function straight({ lookup, agents }: InterceptedGuest, host: string, secure: boolean): Way {
  const to = { host, lookup: lookup(secure ? 443 : 80) }
  return {
    named: host,
    request: (options) =>
      secure
        ? httpsRequest({ ...options, ...to, port: 443, servername: host, agent: agents.https })
        : httpRequest({ ...options, ...to, port: 80, agent: agents.http }),
  }
}

function instead({ lookupInstead, agents }: InterceptedGuest, { host, port }: CredentialRewrite): Way {
  const to = { host, port, servername: host, lookup: lookupInstead(port), agent: agents.instead }
  return { named: port === 443 ? host : `${host}:${port}`, request: (options) => httpsRequest({ ...options, ...to }) }
}

interface Refusal {
  status: number
  reason: string
}

const HOST = /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/

/** What the rule says, and what goes into all requests and it does not. */
function headersFor(rules: readonly OutgoingRule[], rule: OutgoingRule | null): OutgoingRule['headers'] {
  const own = rule?.headers ?? []
  const said = new Set(own.map(({ name }) => name.toLowerCase()))
  const everywhere = rules.flatMap((one) => (one.everywhere === true ? one.headers : []))
  return [...own, ...everywhere.filter(({ name }) => !said.has(name.toLowerCase()))]
}

/** What is between the server and that host is not the guest's to read. */
const UNREACHABLE_INSTEAD = { status: 502, reason: 'the host that requests are sent to instead cannot be reached' }

function unreachable(host: string, error: Error): Refusal {
  return {
    status: 502,
    reason: `${host} cannot be reached: ${error.message.replace(/[^\x20-\x7e]/g, ' ').slice(0, 300)}`,
  }
}

function refuse(response: ServerResponse, { status, reason }: Refusal): void {
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`spawnpoint: ${reason}\n`)
}

function plainRefusal({ status, reason }: Refusal): string {
  const body = `spawnpoint: ${reason}\n`
  return `HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

function passedOn(pairs: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  return headerPairs(forwardedHeaders(pairs.filter(([name]) => name.toLowerCase() !== 'host')))
}

function answerHeaders(incoming: IncomingMessage): string[] {
  return forwardedHeaders(headerPairs(incoming.rawHeaders))
}

/** Of an answer that is written by hand; Node has checked that no name or value breaks a line. */
function headText(incoming: IncomingMessage, more: string[]): string {
  const lines = headerPairs([...answerHeaders(incoming), ...more]).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${incoming.statusCode} ${incoming.statusMessage}\r\n${lines.join('')}\r\n`
}

function endOf({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress} ${remotePort}`
}
