import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Blob, digestOf, type MadeImage } from './image.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A registry that answers as a test wants it to: what it has, and before that whatever `odd` does with a request. */
export class OddRegistry implements AsyncDisposable {
  readonly host: string
  /** `METHOD PATH[ Range]` of every request */
  readonly requests: string[] = []
  /** Answers a request itself and says `true`, or leaves it to the rest */
  odd: (path: string, request: IncomingMessage, response: ServerResponse) => boolean = () => false
  /** Nothing is answered before */
  until: Promise<void> = Promise.resolve()
  readonly #server: Server
  readonly #content = new Map<string, Blob>()

  private constructor(server: Server) {
    this.#server = server
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(): Promise<OddRegistry> {
    const server = createServer((request, response) => void registry.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const registry = new OddRegistry(server)
    return registry
  }

  /** Everything it has is in the one repository `image`. */
  has(image: MadeImage, tag = 'latest'): void {
    this.put(`manifests/${tag}`, image.manifest)
    this.put(`manifests/${image.manifest.digest}`, image.manifest)
    for (const blob of [image.config, ...image.layers]) this.put(`blobs/${blob.digest}`, blob)
  }

  put(path: string, blob: Blob): void {
    this.#content.set(path, blob)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.until
    const path = (incoming.url ?? '').replace('/v2/image/', '')
    const range = incoming.headers.range
    this.requests.push(`${incoming.method} ${path}${range === undefined ? '' : ` ${range}`}`)
    if (this.odd(path, incoming, response)) return
    const blob = this.#content.get(path)
    if (blob === undefined) return void response.writeHead(404).end()
    const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)
    const rest = blob.bytes.subarray(from)
    response.writeHead(from > 0 ? 206 : 200, {
      'content-type': blob.mediaType,
      'content-length': rest.length,
      'docker-content-digest': digestOf(blob.bytes),
      ...(from > 0 ? { 'content-range': `bytes ${from}-${blob.bytes.length - 1}/${blob.bytes.length}` } : {}),
    })
    response.end(incoming.method === 'HEAD' ? undefined : rest)
  }
}

/** Stands before a registry and breaks off bodies of blobs after so many bytes, as often as told. */
export class BreakingProxy implements AsyncDisposable {
  readonly host: string
  readonly requests: string[] = []
  breaks = 0
  afterBytes = 0
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(upstream: string): Promise<BreakingProxy> {
    const server = createServer((incoming, response) => proxy.#forward(upstream, incoming, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const proxy = new BreakingProxy(server)
    return proxy
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  readonly #forward = (upstream: string, incoming: IncomingMessage, response: ServerResponse): void => {
    const { method, url = '', headers } = incoming
    const name = url.replace(/^.*\/(?=blobs|manifests)/, '')
    this.requests.push(`${method} ${name}${headers.range === undefined ? '' : ` ${headers.range}`}`)
    const answer: Answer = (upstreamAnswer) => {
      response.writeHead(upstreamAnswer.statusCode ?? 502, upstreamAnswer.headers)
      const large = Number(upstreamAnswer.headers['content-length'] ?? 0) > this.afterBytes
      const breaking = name.startsWith('blobs/') && method === 'GET' && large && this.breaks > 0
      if (breaking) this.breaks -= 1
      let bytes = 0
      upstreamAnswer.on('data', (piece: Buffer) => {
        const rest = breaking ? piece.subarray(0, this.afterBytes - bytes) : piece
        bytes += rest.length
        response.write(rest, () => {
          if (breaking && bytes >= this.afterBytes) response.destroy()
        })
      })
      upstreamAnswer.on('end', () => response.end())
    }
    const forwarded = request(`http://${upstream}${url}`, { method, headers }, (from) => answer(from, response))
    // Broken off on purpose at the other end.
    forwarded.on('error', () => response.destroy())
    forwarded.end()
  }
}
