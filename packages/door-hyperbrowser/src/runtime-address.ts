import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { hostOf } from '@spawnpoint/door-kit'

/** Where the runtime API of a sandbox is, in the vendor's words. */
export interface RuntimeAddress {
  transport: 'regional_proxy'
  host: string
  baseUrl: string
}

/** A server that a request came to. */
export interface Origin {
  scheme: 'http' | 'https'
  /** `host[:port]`, as the client wrote it */
  host: string
}

export function originOf(req: IncomingMessage): Origin {
  const encrypted = 'encrypted' in req.socket && req.socket.encrypted === true
  return { scheme: encrypted ? 'https' : 'http', host: hostOf(req) }
}

/**
 * By the host that the client used: below the server's domain each sandbox has a host of its own; elsewhere it is a path.
 * The client makes addresses of ports from either, for which an IP address will not do: the machine's own becomes
 * `localhost`.
 */
export function runtimeAddress(origin: Origin, domain: string | null, id: string): RuntimeAddress {
  const { hostname, port } = new URL(`${origin.scheme}://${origin.host}`)
  const base = domain?.replace(/:\d+$/, '').toLowerCase()
  if (base !== undefined && (hostname === base || hostname.endsWith(`.${base}`))) {
    const host = `${id}.${base}`
    return { transport: 'regional_proxy', host, baseUrl: `${origin.scheme}://${host}${port === '' ? '' : `:${port}`}` }
  }
  const name = isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 && isLoopback(hostname) ? 'localhost' : hostname
  const authority = `${name}${port === '' ? '' : `:${port}`}`
  return {
    transport: 'regional_proxy',
    host: `${id}.${name}`,
    baseUrl: `${origin.scheme}://${authority}/sandbox/${id}`,
  }
}

function isLoopback(hostname: string): boolean {
  return hostname.startsWith('127.') || hostname === '[::1]'
}

/** Where the client finds what a program serves on a port; it computes the same by itself. */
export function exposedUrl({ host, baseUrl }: RuntimeAddress, port: number): string {
  const { protocol, port: own } = new URL(baseUrl)
  return `${protocol}//${port}-${host}${own === '' ? '' : `:${own}`}/`
}

/** Address of a runtime call, for URLs that are given away. */
export function runtimeCallUrl({ host, baseUrl }: RuntimeAddress, call: string): string {
  const base = new URL(baseUrl)
  return base.hostname === host ? `${baseUrl}/sandbox/${call}` : `${baseUrl}/${call}`
}

const HOST_ID = /^([0-9a-f]{24})\./

/** `/sandbox/exec` at a sandbox's own host is `/sandbox/<id>/exec` here; other requests stay as they are. */
export function runtimeUrl(req: IncomingMessage, domain: string | null): string {
  const url = req.url ?? '/'
  const base = domain?.replace(/:\d+$/, '').toLowerCase()
  const host = (req.headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
  const id = HOST_ID.exec(host)?.[1]
  if (id === undefined || base === undefined || host !== `${id}.${base}`) return url
  return url.startsWith('/sandbox/') ? `/sandbox/${id}/${url.slice('/sandbox/'.length)}` : url
}
