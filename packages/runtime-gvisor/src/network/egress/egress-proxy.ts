import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { BlockList, connect, createServer, type Server, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { NetworkPolicy } from '@spawnpoint/core'
import type { Log } from '../../log.ts'
import { OUTER_NETWORK, proxyAddress } from '../addresses.ts'
import { formatRange, parseCidrs } from '../cidr.ts'
import { ipBatch } from '../host-tools.ts'
import type { ProxyEndpoint } from '../rules.ts'
import { namesInclude } from './domains.ts'
import { type Beginning, httpHost, tlsServerName } from './first-bytes.ts'

/** Milliseconds until a guest has said whom it wants, and until that one has answered */
const NAMING_MS = 10_000
const CONNECT_MS = 10_000
const MAX_BEGINNING_BYTES = 16 * 1024
/** Of one guest */
const MAX_CONNECTIONS = 512
/** Never reached through the host: its loopback, its link-local neighbours, its guests */
const NEVER = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4', OUTER_NETWORK]

export interface EgressProxyOptions {
  server: number
  /** Asked for the addresses of names; where there is none, no name is reached */
  dns: readonly string[]
  log: Log
}

interface Guest {
  domains: readonly string[]
  /** Addresses that no name leads to */
  denied: BlockList
  connections: Map<Socket, string>
}

/**
 * The way out for guests whose policy names hosts. The rules send it connections to ports 80 and 443 that no address list
 * decides; it reads whom they are for (TLS server name, HTTP host), asks for the address itself, so that it is not the
 * guest that says where a name leads, and passes the bytes on unread. A connection is judged once, at its beginning.
 */
export class EgressProxy {
  readonly endpoint: ProxyEndpoint
  readonly #servers: Server[]
  readonly #resolver: Resolver | null
  readonly #server: number
  readonly #guests = new Map<string, Guest>()
  readonly #log: Log

  private constructor(options: EgressProxyOptions, endpoint: ProxyEndpoint, servers: Server[]) {
    this.endpoint = endpoint
    this.#servers = servers
    this.#server = options.server
    this.#log = options.log
    this.#resolver = options.dns.length === 0 ? null : new Resolver({ timeout: 2_000, tries: 2 })
    this.#resolver?.setServers(options.dns)
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
    const proxy = new EgressProxy(options, { address, httpPort: portOf(http), tlsPort: portOf(tls) }, servers)
    http.on('connection', (socket) => proxy.#accept(socket, 80, httpHost))
    tls.on('connection', (socket) => proxy.#accept(socket, 443, tlsServerName))
    return proxy
  }

  /** Line of an `ip` batch that takes its address away. */
  get removal(): string {
    return `addr del ${proxyAddress(this.#server)}/32 dev lo`
  }

  /** Of the guest with this outer address. Connections to names that are not in the policy any more are cut. */
  setPolicy(outer: string, policy: NetworkPolicy): void {
    const connections = this.#guests.get(outer)?.connections ?? new Map<Socket, string>()
    const domains = policy.internet ? policy.allowDomains : []
    // With precedence `allow` a name is what is excepted from `deny`.
    const denied = blockList(policy.precedence === 'deny' ? policy.deny : [])
    for (const [socket, host] of connections) if (!namesInclude(domains, host)) socket.resetAndDestroy()
    if (domains.length === 0 && connections.size === 0) this.#guests.delete(outer)
    else this.#guests.set(outer, { domains, denied, connections })
  }

  forget(outer: string): void {
    for (const socket of this.#guests.get(outer)?.connections.keys() ?? []) socket.destroy()
    this.#guests.delete(outer)
  }

  /** Ends open connections. Idempotent. */
  async close(): Promise<void> {
    for (const outer of [...this.#guests.keys()]) this.forget(outer)
    await Promise.all(this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))))
  }

  #accept(socket: Socket, port: number, read: (bytes: Buffer) => Beginning): void {
    socket.on('error', () => socket.destroy())
    this.#serve(socket, port, read).catch((error: unknown) => {
      this.#log.debug({ error: String(error), port }, 'A connection by name was refused')
      if (!socket.destroyed) socket.resetAndDestroy()
    })
  }

  async #serve(socket: Socket, port: number, read: (bytes: Buffer) => Beginning): Promise<void> {
    const guest = this.#guests.get(socket.remoteAddress ?? '')
    if (guest === undefined) throw new Error('no policy names hosts for this address')
    if (guest.connections.size >= MAX_CONNECTIONS) throw new Error('too many connections')
    guest.connections.set(socket, '')
    socket.once('close', () => guest.connections.delete(socket))
    const { host, bytes } = await beginning(socket, read)
    if (!namesInclude(guest.domains, host)) throw new Error(`${host} is not allowed`)
    guest.connections.set(socket, host)
    const address = await this.#resolve(host, guest)
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

  async #resolve(host: string, guest: Guest): Promise<string> {
    if (this.#resolver === null) throw new Error('there is no name server')
    const own = hostAddresses()
    const addresses = await this.#resolver.resolve4(host)
    const address = addresses.find((one) => !NEVER_LIST.check(one) && !own.has(one) && !guest.denied.check(one))
    if (address === undefined) throw new Error(`${host} leads nowhere that may be reached`)
    return address
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

const NEVER_LIST = blockList(NEVER)

function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of parseCidrs(cidrs, 'network.deny').map(formatRange)) {
    const [first = '', last = first] = range.split('-')
    list.addRange(first, last)
  }
  return list
}

/** The host's own: what is behind them is for the host alone, as for any packet of a guest. */
function hostAddresses(): Set<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []))
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy does not listen')
  return address.port
}
