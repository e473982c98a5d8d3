import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  type ErrorCode,
  type Guest,
  type PortAccess,
  type Principal,
  type Sandbox,
  type SpawnpointApi,
  SpawnpointError,
} from '@spawnpoint/core'
import { holdActive } from './active.ts'
import { type Address, addressOf, type RoutingHeaders } from './address.ts'
import { Connections } from './connections.ts'
import { dialler } from './dial.ts'
import { overTls } from './inner-tls.ts'
import type { Log } from './log.ts'
import { type ProxyOptions, proxyHttp, proxyUpgrade } from './port-proxy.ts'
import { answerPreflight, isPreflight } from './preflight.ts'
import { answerRefusal, type Refusal, refusalOf, refusalText, refuseUpgrade } from './refusal.ts'

/** A request for a port that a service answers. */
export interface ServiceCall {
  req: IncomingMessage
  res: ServerResponse
  by: Principal
  /** As recorded when the request came; it need not run */
  sandbox: Sandbox
  port: number
  /**
   * The inside, which counts as use: a sandbox whose policy says so is brought back. From then on the answer breaks off when
   * that incarnation ends. Rejects what `SandboxesApi.guest` does.
   */
  guest(): Promise<{ sandbox: Sandbox; guest: Guest }>
}

/** Answers a port of every sandbox in place of a program inside. */
export interface GatewayService {
  /** Authorizes by itself. What it rejects with is answered as a refusal of the gateway. */
  request(call: ServiceCall): Promise<void>
}

/** Requests that name no sandbox, but say something that only one of them could have made: signed URLs. */
export interface Finder {
  matches(req: IncomingMessage): boolean
  /** Answers by itself, and resolves with `null`, where there is none. */
  find(req: IncomingMessage, res: ServerResponse): Promise<{ by: Principal; sandbox: Sandbox; port: number } | null>
}

export interface GatewayOptions {
  api: SpawnpointApi
  log: Log
  /** `host[:port]` below which `port-id` names a sandbox's port; `null` for none. `localhost` always does. */
  domain: string | null
  routingHeaders: readonly RoutingHeaders[]
  services: ReadonlyMap<number, GatewayService>
  finders?: readonly Finder[]
  /** By path: what answers there on every port that asks for a token, so that a browser can come by one */
  logins?: ReadonlyMap<string, GatewayService>
  /** Whether a request may use a port that asks for a token: if any of them says so */
  tokens: readonly ((
    req: IncomingMessage,
    sandbox: Sandbox,
    port: number,
  ) => boolean | Admission | Promise<Admission | null>)[]
  /** Where a browser that shows no token is sent, instead of being refused; `null` for nowhere */
  signIn?: (req: IncomingMessage, sandbox: Sandbox, port: number) => string | null
  /** Lower-case headers for us that programs do not see, besides the routing headers */
  stripHeaders?: readonly string[]
  /** Cookies for us that programs do not see */
  stripCookies?: readonly string[]
}

/** What is said to the program about who was let in, and with its answer, and what is not: the header with the proof. */
export type Admission = Pick<ProxyOptions, 'addHeaders' | 'addResponseHeaders' | 'stripHeaders'>

// biome-ignore lint/suspicious/noTemplateCurlyInString: what policies write for the port
const PORT_IN_HOST = '${PORT}'

interface Reached {
  by: Principal
  sandbox: Sandbox
}

/** Traffic to ports of sandboxes, addressed by host or by headers. */
export class Gateway {
  readonly #options: GatewayOptions
  readonly #rules: Parameters<typeof addressOf>[1]
  readonly #connections: Connections
  readonly #strip: readonly string[]
  readonly #upgraded = new Set<Duplex>()

  constructor(options: GatewayOptions) {
    this.#options = options
    const { domain, routingHeaders } = options
    this.#rules = { domain: domain?.replace(/:\d+$/, '') ?? null, routingHeaders }
    this.#connections = new Connections(options.api)
    this.#strip = [...routingHeaders.flatMap(({ id, port }) => [id, port]), ...(options.stripHeaders ?? [])]
  }

  /** Whether a request is for a sandbox rather than for the server. */
  matches(req: IncomingMessage): boolean {
    return (
      addressOf(req.headers, this.#rules) !== null ||
      isPreflight(req, this.#rules.routingHeaders) ||
      this.#finder(req) !== undefined
    )
  }

  /** Answers a request that `matches`. */
  request(req: IncomingMessage, res: ServerResponse): void {
    // Harmless: writing to a client that has gone; whoever works for it sees `close`.
    res.on('error', () => {})
    const address = addressOf(req.headers, this.#rules)
    this.#route(req, res, address).catch((thrown: unknown) => {
      const { refusal, error } = refusalOf(thrown)
      // Whatever failed because the client has left is nobody's failure.
      if (error.code === 'internal' && !res.destroyed)
        this.#options.log.error({ err: thrown, address }, 'a request to a sandbox failed')
      this.#refuse(req, res, withPort(refusal, error.code, address), address)
    })
  }

  /** Takes over an `upgrade` request that `matches`. */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Harmless: a socket that breaks is closed, and `close` is what everybody listens for.
    socket.on('error', () => {})
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket))
    const address = addressOf(req.headers, this.#rules)
    this.#routeUpgrade(req, socket, head, address).catch((thrown: unknown) => {
      const { refusal, error } = refusalOf(thrown)
      if (error.code === 'internal') this.#options.log.error({ err: thrown, address }, 'an upgrade failed')
      const told = withPort(refusal, error.code, address)
      refuseUpgrade(socket, told, refusalText(told, named(address), req))
    })
  }

  /** Breaks what was upgraded; an HTTP server does not, and would wait for it. */
  close(): void {
    for (const socket of this.#upgraded) socket.destroy()
  }

  async #route(req: IncomingMessage, res: ServerResponse, address: Address | string | null): Promise<void> {
    if (typeof address === 'string') return this.#refuse(req, res, { status: 400, message: address }, null)
    if (address === null) {
      const finder = this.#finder(req)
      if (finder === undefined) return answerPreflight(req, res)
      const found = await finder.find(req, res)
      if (found !== null) await this.#serve(req, res, found, { id: found.sandbox.id, port: found.port })
      return
    }
    const reached = await this.#reach(address)
    await this.#serve(req, res, reached, address)
  }

  async #serve(req: IncomingMessage, res: ServerResponse, reached: Reached, address: Address): Promise<void> {
    const service = this.#options.services.get(address.port)
    const { by, sandbox } = reached
    if (service !== undefined) {
      const { port } = address
      await service.request({ req, res, by, sandbox, port, guest: () => this.#guest(reached, req, res, address) })
      return
    }
    const login = this.#options.logins?.get(req.url?.split('?', 1)[0] ?? '')
    if (login !== undefined && accessOf(sandbox, address.port) === 'token') {
      const { port } = address
      await login.request({ req, res, by, sandbox, port, guest: () => this.#guest(reached, req, res, address) })
      return
    }
    const admitted = await this.#admit(req, sandbox, address.port)
    if ('status' in admitted) return this.#refuse(req, res, admitted, address)
    const { guest } = await this.#guest(reached, req, res, address)
    const gone = new AbortController()
    res.once('close', () => gone.abort())
    const dial = overTls(dialler(guest, gone.signal), sandbox.ingress.tlsPorts)
    const options = this.#proxyOptions(req, sandbox, address.port, admitted)
    await proxyHttp(dial, address.port, req, res, options)
  }

  async #routeUpgrade(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    address: Address | string | null,
  ): Promise<void> {
    const refuse = (refusal: Refusal) => refuseUpgrade(socket, refusal, refusalText(refusal, named(address), req))
    if (address === null) return refuse({ status: 404, message: 'There is nothing to upgrade to here' })
    if (typeof address === 'string') return refuse({ status: 400, message: address })
    const { by, sandbox } = await this.#reach(address)
    if (this.#options.services.has(address.port)) {
      return refuse({ status: 404, message: 'There is nothing to upgrade to here' })
    }
    const admitted = await this.#admit(req, sandbox, address.port)
    if ('status' in admitted) return refuse(admitted)
    const { sandbox: live, guest } = await this.#options.api.sandboxes.guest(by, sandbox.id)
    const gone = new AbortController()
    const held = new DisposableStack()
    held.defer(() => gone.abort())
    held.use(this.#connections.hold(live, () => socket.destroy()))
    held.use(holdActive(this.#options.api, by, sandbox.id))
    socket.once('close', () => held.dispose())
    if (socket.destroyed) held.dispose()
    const dial = overTls(dialler(guest, gone.signal), sandbox.ingress.tlsPorts)
    const options = this.#proxyOptions(req, sandbox, address.port, admitted)
    await proxyUpgrade(dial, address.port, req, socket, head, options)
  }

  async #reach({ id }: Address): Promise<Reached> {
    const reached = await this.#options.api.sandboxes.reach(id)
    if (reached === null) throw refusedAsUnknown(id)
    return reached
  }

  async #guest({ by, sandbox }: Reached, req: IncomingMessage, res: ServerResponse, address: Address) {
    const found = await this.#options.api.sandboxes.guest(by, sandbox.id)
    const held = new DisposableStack()
    held.use(
      this.#connections.hold(found.sandbox, () => {
        const { refusal } = refusalOf(refusedAsUnknown(address.id))
        this.#refuse(req, res, refusal, address)
      }),
    )
    held.use(holdActive(this.#options.api, by, sandbox.id))
    res.once('close', () => held.dispose())
    if (res.destroyed) held.dispose()
    return found
  }

  async #admit(req: IncomingMessage, sandbox: Sandbox, port: number): Promise<Refusal | Admission> {
    const access = accessOf(sandbox, port)
    if (access === 'open') return {}
    if (access === 'closed') return { status: 403, message: 'The port is closed to traffic from outside' }
    for (const allows of this.#options.tokens) {
      const answer = await allows(req, sandbox, port)
      if (answer !== false && answer !== null) return answer === true ? {} : answer
    }
    const location = this.#options.signIn?.(req, sandbox, port) ?? null
    if (location !== null) return { status: 302, message: 'Sign in first', headers: { location } }
    // Whoever opened this port by itself for those who show who they are, lets them ask for that.
    if (sandbox.ingress.ports[String(port)] !== undefined) return { status: 401, message: 'Authentication is required' }
    return { status: 403, message: 'The traffic access token is missing or invalid' }
  }

  #proxyOptions(req: IncomingMessage, sandbox: Sandbox, port: number, admitted: Admission): ProxyOptions {
    const host = sandbox.ingress.hostHeader?.replaceAll(PORT_IN_HOST, String(port))
    return {
      ...admitted,
      stripHeaders: [...this.#strip, ...(admitted.stripHeaders ?? [])],
      ...(this.#options.stripCookies === undefined ? {} : { stripCookies: this.#options.stripCookies }),
      scheme: 'encrypted' in req.socket && req.socket.encrypted === true ? 'https' : 'http',
      ...(host === undefined ? {} : { host }),
    }
  }

  /** Answers, or breaks off an answer that has begun: that is the only way left to say that it is not whole. */
  #refuse(req: IncomingMessage, res: ServerResponse, refusal: Refusal, address: Address | string | null): void {
    if (res.writableEnded) return
    if (res.headersSent) res.destroy()
    else answerRefusal(res, refusal, refusalText(refusal, named(address), req))
  }

  #finder(req: IncomingMessage): Finder | undefined {
    return this.#options.finders?.find((finder) => finder.matches(req))
  }
}

function accessOf({ ingress }: Sandbox, port: number): PortAccess {
  return ingress.ports[String(port)] ?? ingress.default
}

function named(address: Address | string | null): Address | null {
  return typeof address === 'string' ? null : address
}

function withPort(refusal: Refusal, code: ErrorCode, address: Address | string | null): Refusal {
  const port = code === 'port_closed' ? named(address)?.port : undefined
  return port === undefined ? refusal : { ...refusal, more: { port } }
}

function refusedAsUnknown(id: string): SpawnpointError {
  return new SpawnpointError('not_found', `No such sandbox: ${id}`, { resource: 'sandbox', ref: id })
}
