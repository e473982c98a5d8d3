import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import { allows, ForbiddenAddress, lookupWithin, type Reach, reachOf } from './reach.ts'

export interface HttpRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT'
  url: URL
  headers?: Record<string, string>
  body?: Readable | Buffer
  /** Nearest address that may be asked */
  nearest: Reach
  signal: AbortSignal
}

export interface HttpAnswer {
  status: number
  header(name: string): string | undefined
  body: Readable
  /** Of the address that answered; `public` behind a proxy */
  reach: Reach
}

/** Milliseconds without a byte after which a connection counts as broken. */
const SILENCE_MS = 60_000

/** One request without redirects. Connections are kept for the next until `close`. */
export class Http implements Disposable {
  // Proxies as the operator's environment names them (HTTPS_PROXY, NO_PROXY); what they reach is theirs to decide.
  readonly #plain = new HttpAgent({ keepAlive: true, proxyEnv: process.env })
  readonly #secure = new HttpsAgent({ keepAlive: true, proxyEnv: process.env })
  readonly #silenceMs: number

  constructor(silenceMs = SILENCE_MS) {
    this.#silenceMs = silenceMs
  }

  [Symbol.dispose](): void {
    this.#plain.destroy()
    this.#secure.destroy()
  }

  /** Rejects with the socket's error, `ForbiddenAddress`, or the reason of `signal`. */
  ask({ method, url, headers = {}, body, nearest, signal }: HttpRequest): Promise<HttpAnswer> {
    const secure = url.protocol === 'https:'
    const host = url.hostname.replace(/^\[|\]$/g, '')
    return new Promise((resolve, reject) => {
      if (isIP(host) !== 0 && !allows(nearest, host)) throw new ForbiddenAddress(host)
      const request = (secure ? requestHttps : requestHttp)(url, {
        method,
        headers: { 'user-agent': 'spawnpoint', ...headers },
        agent: secure ? this.#secure : this.#plain,
        ...(proxyFor(secure) ? {} : { lookup: lookupWithin(nearest) }),
        signal,
        timeout: this.#silenceMs,
      })
      request.once('error', (error) => reject(signal.aborted ? signal.reason : error))
      request.on('timeout', () => request.destroy(new Error(`no answer for ${this.#silenceMs / 1000} s`)))
      request.once('response', (response) => resolve(answer(response)))
      send(request, body)
    })
  }
}

function send(request: ClientRequest, body: Readable | Buffer | undefined): void {
  if (body === undefined || Buffer.isBuffer(body)) return void request.end(body)
  body.once('error', (error) => request.destroy(error))
  // An answer before the end, or a connection that breaks, leaves it half read.
  request.once('close', () => body.destroy())
  body.pipe(request)
}

function proxyFor(secure: boolean): boolean {
  const { env } = process
  return Boolean(secure ? (env.HTTPS_PROXY ?? env.https_proxy) : (env.HTTP_PROXY ?? env.http_proxy))
}

function answer(response: IncomingMessage): HttpAnswer {
  return {
    status: response.statusCode ?? 0,
    header: (name) => {
      const value = response.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    body: response,
    reach: reachOf(response.socket.remoteAddress ?? '') ?? 'public',
  }
}

/** All of a body that should be small. Rejects when it is larger. */
export async function readAll(body: Readable, limitBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body as AsyncIterable<Buffer>) {
    bytes += piece.length
    // Leaving the loop destroys the body.
    if (bytes > limitBytes) throw new BodyTooLarge(limitBytes)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

export class BodyTooLarge extends Error {
  constructor(limitBytes: number) {
    super(`an answer of more than ${limitBytes} bytes`)
  }
}

/** Lets go of a body that nobody wants. */
export function discard({ body }: HttpAnswer): void {
  // Resetting the connection is cheaper than reading what may have no end; its error is nobody's.
  body.on('error', () => {}).destroy()
}
