import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Guest, SpawnpointError } from '@spawnpoint/core'

/** The part of a guest that a proxy needs. */
export type PortDialler = Pick<Guest, 'connectPort'>

export interface ProxyOptions {
  /** Beginning of the request's path that is ours; the program sees what follows. Default: it sees the whole path. */
  pathPrefix?: string
  /** Lower-case request headers that must not reach the program, spelled with `-`: the one that carried our key, the one that named the sandbox. */
  stripHeaders?: readonly string[]
  /** Offered subprotocols that begin so must not reach the program either: they carry keys */
  stripSubprotocols?: string
  /** Cookies that must not reach the program: they carry tokens of ours */
  stripCookies?: readonly string[]
  /** Host header for the program, instead of the client's */
  host?: string
  /** Lower-case headers for the program that no client can set, spelled with `-` */
  addHeaders?: Readonly<Record<string, string>>
  /** Headers of the answer beside the program's own */
  addResponseHeaders?: Readonly<Record<string, string>>
  /** Scheme the client used */
  scheme?: 'http' | 'https'
}

/** Only for one connection, not for what is at the other end of it (RFC 9110, 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Told by us; what the client says about them is not passed on. */
const FORWARDED = ['x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-prefix']

/**
 * Passes a request to a program listening in the sandbox, and its answer back, streaming both ways. Rejects `port_closed` if
 * there is no answer at all; once the answer has begun, a failure breaks the connection.
 */
export async function proxyHttp(
  guest: PortDialler,
  port: number,
  req: IncomingMessage,
  res: ServerResponse,
  options: ProxyOptions = {},
): Promise<void> {
  const upstream = await connect(guest, port, req, requestHeaders(req, options, false), options)
  // Whichever side goes first takes the other along: neither may hold the sandbox's connection open alone.
  res.once('close', () => upstream.destroy())
  res.on('error', () => upstream.destroy())
  if (res.destroyed) upstream.destroy()
  const answered = answer(upstream, port)
  // Not `pipeline`: it would cut the client's connection when the program stops reading, and with it the answer.
  req.pipe(upstream)
  upstream.once('close', () => {
    req.unpipe(upstream)
    req.resume()
  })
  const { response, upgraded } = await answered
  if (upgraded !== null) {
    // Nobody asked for it. Passed on, a proxy in front of us would take what follows for anything.
    upgraded.destroy()
    throw noAnswer(port)
  }
  try {
    res.writeHead(response.statusCode ?? 502, response.statusMessage, responseHeaders(response, options))
    res.flushHeaders()
    await pipeline(response, res)
  } catch {
    // The status line may be out; a broken connection is the only way left to say that bytes are missing.
    res.destroy()
  } finally {
    upstream.destroy()
  }
}

/**
 * As `proxyHttp` for an `upgrade` request. The program's answer is parsed, never passed on raw, and a refusal closes the
 * connection: a proxy in front that used it again would hand the program other clients' requests.
 */
export async function proxyUpgrade(
  guest: PortDialler,
  port: number,
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: ProxyOptions = {},
): Promise<void> {
  const upstream = await connect(guest, port, req, requestHeaders(req, options, true), options)
  socket.once('close', () => upstream.destroy())
  socket.on('error', () => upstream.destroy())
  if (socket.destroyed) upstream.destroy()
  const answered = answer(upstream, port)
  upstream.end()
  const { response, upgraded, upgradedHead } = await answered
  const headers = responseHeaders(response, options)
  if (upgraded === null) {
    socket.write(statusLine(response, [...headers, 'Connection', 'close']))
    await pipeline(response, socket).catch(() => socket.destroy())
    return
  }
  upgraded.once('close', () => socket.destroy())
  upgraded.on('error', () => socket.destroy())
  socket.once('close', () => upgraded.destroy())
  socket.write(
    statusLine(response, [...headers, 'Connection', 'Upgrade', 'Upgrade', response.headers.upgrade ?? 'websocket']),
  )
  if (upgradedHead.length > 0) socket.write(upgradedHead)
  if (head.length > 0) upgraded.write(head)
  socket.pipe(upgraded)
  upgraded.pipe(socket)
}

async function connect(
  guest: PortDialler,
  port: number,
  req: IncomingMessage,
  headers: string[],
  options: ProxyOptions,
): Promise<ClientRequest> {
  const stream = await guest.connectPort(port)
  // Harmless: the request reports the same failure.
  stream.on('error', () => {})
  let upstream: ClientRequest
  try {
    upstream = request({
      createConnection: () => stream,
      method: req.method ?? 'GET',
      path: pathFor(req.url ?? '/', options.pathPrefix),
      headers,
      setHost: false,
    })
  } catch (error) {
    // What the client's path or headers hold cannot be said in HTTP.
    stream.destroy()
    throw error
  }
  const done = () => stream.destroy()
  upstream.once('close', done)
  // Then the stream is the WebSocket's, and the request is over before it has begun.
  upstream.once('upgrade', () => upstream.off('close', done))
  return upstream
}

interface Answered {
  response: IncomingMessage
  upgraded: Duplex | null
  upgradedHead: Buffer
}

function answer(upstream: ClientRequest, port: number): Promise<Answered> {
  return new Promise((resolve, reject) => {
    upstream.once('response', (response) => resolve({ response, upgraded: null, upgradedHead: Buffer.alloc(0) }))
    upstream.once('upgrade', (response, upgraded, upgradedHead) => resolve({ response, upgraded, upgradedHead }))
    upstream.on('error', (cause) => reject(noAnswer(port, cause)))
    upstream.once('close', () => reject(noAnswer(port)))
  })
}

function noAnswer(port: number, cause?: unknown): SpawnpointError<'port_closed'> {
  return new SpawnpointError('port_closed', `The program on port ${port} did not answer in HTTP`, { port }, { cause })
}

function pathFor(url: string, prefix: string | undefined): string {
  const path = prefix !== undefined && url.startsWith(prefix) ? url.slice(prefix.length) : url
  return path.startsWith('/') ? path : `/${path}`
}

function* pairs(raw: readonly string[]): Iterable<[string, string]> {
  for (let i = 0; i + 1 < raw.length; i += 2) yield [raw[i] as string, raw[i + 1] as string]
}

/** Headers named by `Connection` concern this hop only; without these two the message itself would be another. */
function connectionNames(connection: string | undefined): Set<string> {
  const names = new Set((connection ?? '').split(',').map((name) => name.trim().toLowerCase()))
  names.delete('content-length')
  names.delete('host')
  return names
}

function requestHeaders(req: IncomingMessage, options: ProxyOptions, upgrade: boolean): string[] {
  const named = connectionNames(req.headers.connection)
  const strip = new Set([...FORWARDED, ...(options.stripHeaders ?? []), ...Object.keys(options.addHeaders ?? {})])
  const out: string[] = []
  for (const [name, value] of pairs(req.rawHeaders)) {
    const lower = name.toLowerCase()
    // Many programs take `_` for `-`.
    if (HOP_BY_HOP.has(lower) || named.has(lower) || strip.has(lower.replaceAll('_', '-')) || lower === 'expect')
      continue
    if (lower === 'host') out.push(name, options.host ?? value)
    else if (lower === 'cookie' && options.stripCookies !== undefined) {
      const kept = otherCookies(value, options.stripCookies)
      if (kept !== '') out.push(name, kept)
    } else if (lower !== 'sec-websocket-protocol') out.push(name, value)
    else {
      const offered = offeredProtocols(value, options.stripSubprotocols)
      if (offered !== '') out.push(name, offered)
    }
  }
  if (upgrade) out.push('Connection', 'Upgrade', 'Upgrade', req.headers.upgrade ?? 'websocket')
  else if (req.headers['transfer-encoding'] !== undefined) out.push('Transfer-Encoding', 'chunked')
  if (req.socket.remoteAddress !== undefined) out.push('X-Forwarded-For', req.socket.remoteAddress)
  if (req.headers.host !== undefined) out.push('X-Forwarded-Host', req.headers.host)
  out.push('X-Forwarded-Proto', options.scheme ?? 'http')
  if (options.pathPrefix !== undefined) out.push('X-Forwarded-Prefix', options.pathPrefix)
  out.push(...Object.entries(options.addHeaders ?? {}).flat())
  return out
}

function otherCookies(cookies: string, strip: readonly string[]): string {
  const pairs = cookies.split(';').map((text) => text.trim())
  return pairs.filter((pair) => !strip.includes(pair.split('=', 1)[0] ?? '')).join('; ')
}

/** Subprotocols offered for the program. */
function offeredProtocols(protocols: string, strip: string | undefined): string {
  if (strip === undefined) return protocols
  const offered = protocols.split(',').map((text) => text.trim())
  return offered.filter((text) => !text.startsWith(strip)).join(',')
}

/**
 * Under a path prefix the program shares an origin with our own API, so its cookies and redirects are kept under the prefix,
 * and a browser that shows its pages treats them as an origin of their own.
 */
function responseHeaders(response: IncomingMessage, options: ProxyOptions): string[] {
  const named = connectionNames(response.headers.connection)
  const prefix = options.pathPrefix
  const out: string[] = []
  for (const [name, value] of pairs(response.rawHeaders)) {
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || named.has(lower)) continue
    if (prefix === undefined) {
      out.push(name, value)
      continue
    }
    if (lower === 'clear-site-data' || lower === 'service-worker-allowed') continue
    if (lower === 'set-cookie') out.push(name, cookieUnder(prefix, value))
    else if (lower === 'location' && /^\/(?!\/)/.test(value)) out.push(name, prefix + value)
    else out.push(name, value)
  }
  out.push(...Object.entries(options.addResponseHeaders ?? {}).flat())
  if (prefix !== undefined)
    out.push('Content-Security-Policy', 'sandbox allow-scripts allow-forms allow-popups allow-modals')
  return out
}

function cookieUnder(prefix: string, cookie: string): string {
  const parts = cookie.split(';').map((part) => part.trim())
  const kept = parts.filter((part, i) => i === 0 || !/^(path|domain)\s*=/i.test(part))
  const path = parts.find((part, i) => i > 0 && /^path\s*=/i.test(part))?.replace(/^path\s*=\s*/i, '') ?? '/'
  return [...kept, `Path=${prefix}${path.startsWith('/') ? path : '/'}`].join('; ')
}

function statusLine(response: IncomingMessage, headers: string[]): string {
  const lines = [`HTTP/1.1 ${response.statusCode} ${response.statusMessage}`]
  for (const [name, value] of pairs(headers)) lines.push(`${name}: ${value}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}
