import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, createServer, type LookupFunction, type Server, type Socket } from 'node:net'
import { type NetworkPolicy, namesInclude, type OutgoingRule } from '@spawnpoint/core'
import { Asker, type Boundary, systemRoots } from '@spawnpoint/outbound'
import type { Log } from '../../log.ts'
import { GATEWAY_ADDRESS, proxyAddress } from '../addresses.ts'
import { ipBatch } from '../host-tools.ts'
import { type ProxyEndpoint, samePolicy } from '../rules.ts'
import type { Authority } from './authority.ts'
import { type Beginning, httpHost, tlsServerName } from './first-bytes.ts'
import { Agents, type InterceptedGuest, Interceptor } from './interceptor.ts'
import { type NameGuest, NameServer } from './name-server.ts'
import { Reach } from './reach.ts'
import { servicesBoundary } from './services.ts'

/** Milliseconds until a guest has said whom it wants, and until that one has answered */
const NAMING_MS = 10_000
const CONNECT_MS = 10_000
const MAX_BEGINNING_BYTES = 16 * 1024
/** Of one guest */
const MAX_CONNECTIONS = 512
/** A part of how long a port stays open */
const OPEN_AGAIN_MS = 10 * 60_000

export interface EgressProxyOptions {
  server: number
  /** Asked for the addresses of names; where there is none, no name is reached */
  dns: readonly string[]
  authority: Authority
  /** CIDRs of private networks and of this host where web services may be asked that credential rules name; default none */
  nearServices?: readonly string[]
  /** Lets the guest with this outer address reach these TCP ports of an address, for a while that begins anew with each use. */
  openPorts: (outer: string, address: string, ports: readonly number[], isWanted: () => boolean) => Promise<void>
  log: Log
}

/** What the proxy does for a guest. */
export interface GuestEgress {
  network: NetworkPolicy
  /** Hosts that it takes the place of, as `OutgoingRule` has them */
  intercepts: readonly string[]
  /** What goes into requests to these; `null` while that is not known */
  credentials: readonly OutgoingRule[] | null
}

interface Guest extends InterceptedGuest, NameGuest, Disposable {
  reach: Reach
  connections: Map<Socket, { host: string; port: number }>
  /** When `ADDRESS:PORT` was opened last, under its policy, in milliseconds */
  opened: Map<string, number>
}

/**
 * The way out for guests whose policy names hosts, and for requests that credentials go into. The rules send it connections to
 * ports 80 and 443; it reads whom they are for (TLS server name, HTTP host) and asks for the address itself, so that it is not
 * the guest that says where a name leads. What a policy allows by name it passes on unread, judged once, at its beginning; the
 * hosts of credential rules it takes the place of.
 */
export class EgressProxy {
  readonly endpoint: ProxyEndpoint
  readonly #servers: Server[]
  readonly #names: NameServer
  readonly #interceptor: Interceptor
  readonly #resolver: Resolver | null
  readonly #options: EgressProxyOptions
  readonly #guests: Map<string, Guest>
  readonly #services: Boundary

  private constructor(
    options: EgressProxyOptions,
    parts: { endpoint: ProxyEndpoint; servers: Server[]; names: NameServer; guests: Map<string, Guest> },
  ) {
    this.endpoint = parts.endpoint
    this.#servers = parts.servers
    this.#names = parts.names
    this.#guests = parts.guests
    this.#options = options
    this.#resolver = options.dns.length === 0 ? null : new Resolver({ timeout: 2_000, tries: 2 })
    this.#resolver?.setServers(options.dns)
    this.#services = servicesBoundary(this.#resolver, options.nearServices ?? [])
    const asker = new Asker(this.#services, systemRoots)
    this.#interceptor = new Interceptor(options.authority, asker, options.log)
  }

  /** Rejects `runtime_failed` if the host's address for it cannot be set. */
  static async open(options: EgressProxyOptions): Promise<EgressProxy> {
    const address = proxyAddress(options.server)
    // Of this host's scope: otherwise the kernel takes it for its own address on the way to guests, also to those of other
    // servers, whose answers to it are dropped.
    await ipBatch([`addr del ${address}/32 dev lo`], { force: true })
    await ipBatch([`addr add ${address}/32 dev lo scope host`])
    const http = createServer({ allowHalfOpen: true, pauseOnConnect: true })
    const tls = createServer({ allowHalfOpen: true, pauseOnConnect: true })
    const servers = [http, tls]
    for (const server of servers) {
      server.listen(0, address)
      await once(server, 'listening')
    }
    const guests = new Map<string, Guest>()
    const names = await NameServer.open({
      address,
      answer: GATEWAY_ADDRESS,
      resolvers: options.dns,
      guestAt: (outer) => guests.get(outer),
      log: options.log,
    })
    const endpoint = {
      address,
      httpPort: portOf(http),
      tlsPort: portOf(tls),
      namesUdpPort: names.udpPort,
      namesTcpPort: names.tcpPort,
    }
    const proxy = new EgressProxy(options, { endpoint, servers, names, guests })
    http.on('connection', (socket) => proxy.#accept(socket, 80, httpHost))
    tls.on('connection', (socket) => proxy.#accept(socket, 443, tlsServerName))
    return proxy
  }

  /** Line of an `ip` batch that takes its address away. */
  get removal(): string {
    return `addr del ${proxyAddress(this.#options.server)}/32 dev lo`
  }

  /** Of the guest with this outer address. Connections to names that are not meant any more are cut. */
  set(outer: string, { network, intercepts, credentials }: GuestEgress): void {
    const before = this.#guests.get(outer)
    const reach = new Reach(network)
    const hosts = network.internet ? intercepts : []
    const connections: Guest['connections'] = before?.connections ?? new Map()
    for (const [socket, { host, port }] of connections)
      if (!reach.passes(host, port) && !namesInclude(hosts, host)) socket.resetAndDestroy()
    // A connection that is kept was to a host that could be reached then.
    before?.agents.retire()
    const { allowDomains, denyDomains = [] } = network
    const none = hosts.length === 0 && allowDomains.length === 0 && denyDomains.length === 0
    if (none && connections.size === 0) {
      this.#guests.delete(outer)
      return
    }
    const agents = new Agents(systemRoots())
    const guest: Guest = before ?? {
      reach,
      connections,
      agents,
      opened: new Map(),
      rules: null,
      intercepts: () => false,
      refuses: () => false,
      opens: (name) => guest.reach.openedPorts(name).length > 0,
      open: (name) => this.#open(outer, guest, name),
      asksNames: false,
      lookup: (port) => (host, options, done) => this.#lookup(guest, host, port, options, done),
      mayAskFor: (host, port) => guest.reach.mayAskFor(host, port),
      lookupInstead: (port) => (host, options, done) => this.#lookupInstead(guest, host, port, options, done),
      [Symbol.dispose]: () => {
        for (const socket of connections.keys()) socket.destroy()
        guest.agents[Symbol.dispose]()
      },
    }
    const same = samePolicy(guest.reach.policy, network)
    Object.assign(guest, {
      reach,
      opened: same ? guest.opened : new Map(),
      agents,
      rules: credentials,
      intercepts: (name: string) => namesInclude(hosts, name),
      refuses: (name: string) => reach.hides(name),
      asksNames: reach.asksNames(this.#options.dns),
    })
    this.#guests.set(outer, guest)
  }

  /** Of a guest for which it does anything. */
  policyOf(outer: string): NetworkPolicy | undefined {
    return this.#guests.get(outer)?.reach.policy
  }

  forget(outer: string): void {
    this.#guests.get(outer)?.[Symbol.dispose]()
    this.#guests.delete(outer)
  }

  /** Ends open connections. Idempotent. */
  async close(): Promise<void> {
    for (const outer of [...this.#guests.keys()]) this.forget(outer)
    this.#interceptor.close()
    await Promise.all([
      this.#names.close(),
      ...this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    ])
  }

  #accept(socket: Socket, port: number, read: (bytes: Buffer) => Beginning): void {
    socket.on('error', () => socket.destroy())
    this.#serve(socket, port, read).catch((error: unknown) => {
      this.#options.log.debug({ error: String(error), port }, 'A connection by name was refused')
      if (!socket.destroyed) socket.resetAndDestroy()
    })
  }

  async #serve(socket: Socket, port: number, read: (bytes: Buffer) => Beginning): Promise<void> {
    const guest = this.#guests.get(socket.remoteAddress ?? '')
    if (guest === undefined) throw new Error('no policy names hosts for this address')
    if (guest.connections.size >= MAX_CONNECTIONS) throw new Error('too many connections')
    guest.connections.set(socket, { host: '', port })
    socket.once('close', () => guest.connections.delete(socket))
    const { host, bytes } = await beginning(socket, read)
    const name = host.toLowerCase()
    const isIntercepted = guest.intercepts(name)
    if (!isIntercepted && !guest.reach.passes(name, port)) throw new Error(`${host} is not allowed`)
    guest.connections.set(socket, { host: name, port })
    if (isIntercepted) {
      socket.unshift(bytes)
      this.#interceptor.take(socket, guest, port === 443 ? name : null)
      return
    }
    const address = await this.#resolve(host, port, guest)
    // Nobody would end a connection for one that has closed meanwhile, and the guest could have any number of them made.
    if (socket.destroyed) return
    const upstream = connect({ host: address, port, allowHalfOpen: true })
    upstream.setTimeout(CONNECT_MS, () => upstream.destroy(new Error(`${host} does not answer`)))
    socket.once('close', () => upstream.destroy())
    upstream.once('close', () => socket.destroy())
    await once(upstream, 'connect')
    upstream.setTimeout(0)
    upstream.on('error', () => socket.resetAndDestroy())
    upstream.write(bytes)
    socket.pipe(upstream)
    upstream.pipe(socket)
  }

  async #resolve(host: string, port: number, guest: Guest): Promise<string> {
    if (this.#resolver === null) throw new Error('there is no name server')
    const addresses = await this.#resolver.resolve4(host)
    const address = addresses.find((one) => guest.reach.permits(host, one, port))
    if (address === undefined) throw new Error(`${host} leads nowhere that may be reached`)
    return address
  }

  async #open(outer: string, guest: Guest, name: string): Promise<string> {
    const { reach, opened } = guest
    const ports = reach.openedPorts(name)
    if (this.#resolver === null) throw new Error('there is no name server')
    const addresses = await this.#resolver.resolve4(name)
    const permitted = (one: string) => ports.filter((port) => reach.permits(name, one, port))
    const address = addresses.find((one) => permitted(one).length > 0)
    if (address === undefined) throw new Error(`${name} leads nowhere that may be reached`)
    const now = performance.now()
    const isOpen = (port: number) =>
      now - (opened.get(`${address}:${port}`) ?? Number.NEGATIVE_INFINITY) < OPEN_AGAIN_MS
    const missing = permitted(address).filter((port) => !isOpen(port))
    if (missing.length > 0) {
      await this.#options.openPorts(outer, address, missing, () => guest.opened === opened)
      for (const port of missing) opened.set(`${address}:${port}`, now)
    }
    return address
  }

  #lookup(
    guest: Guest,
    host: string,
    port: number,
    options: { all?: boolean | undefined },
    done: Parameters<LookupFunction>[2],
  ): void {
    this.#resolve(host, port, guest).then(
      (address) => (options.all === true ? done(null, [{ address, family: 4 }]) : done(null, address, 4)),
      (error: Error) => done(error, ''),
    )
  }

  #lookupInstead(
    { reach }: Guest,
    host: string,
    port: number,
    options: Parameters<LookupFunction>[1],
    done: Parameters<LookupFunction>[2],
  ): void {
    this.#services.lookup(host, { ...options, all: true }, (error, found) => {
      const addresses = Array.isArray(found) ? found : []
      const address = addresses.find((one) => !reach.denies(host, one.address, port))
      if (error !== null) done(error, '')
      else if (address === undefined) done(new Error(`${host} is denied`), '')
      else if (options.all === true) done(null, [address])
      else done(null, address.address, address.family)
    })
  }
}

/** Everything up to where the host is named. Rejects if it is not, or not in time. */
async function beginning(socket: Socket, read: (bytes: Buffer) => Beginning): Promise<{ host: string; bytes: Buffer }> {
  const named = Promise.withResolvers<{ host: string; bytes: Buffer }>()
  let bytes = Buffer.alloc(0)
  const take = (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    const { host } = read(bytes)
    if (host === null) named.reject(new Error('it names no host'))
    else if (host !== undefined) named.resolve({ host, bytes })
    else if (bytes.length > MAX_BEGINNING_BYTES) named.reject(new Error('its beginning is too long'))
    else return
    socket.off('data', take).pause()
  }
  const ended = () => named.reject(new Error('it ended before a host was named'))
  const late = setTimeout(() => named.reject(new Error('no host was named in time')), NAMING_MS)
  socket.on('data', take).once('end', ended).once('close', ended).resume()
  try {
    return await named.promise
  } finally {
    clearTimeout(late)
    socket.off('data', take).off('end', ended).off('close', ended)
  }
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy does not listen')
  return address.port
}
