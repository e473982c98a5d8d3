import type { Answer, Outgoing, Send } from './answer.ts'

/** What of Node's `http` and `https` is used here; the package has no types of Node. */
interface Http {
  Agent: new (options: { keepAlive: boolean }) => object
  request(options: object, onAnswer: (message: Message) => void): ClientRequest
}
interface ClientRequest {
  on(event: 'error', listener: (error: Error) => void): void
  end(body?: string | Uint8Array): void
  destroy(reason?: unknown): void
}
interface Message {
  readonly statusCode: number
  readonly headers: { [name: string]: string | string[] | undefined }
  readonly complete: boolean
  on(event: 'data', listener: (chunk: Uint8Array) => void): void
  on(event: 'end' | 'close', listener: () => void): void
  on(event: 'error', listener: (error: Error) => void): void
  pause(): void
  resume(): void
  destroy(): void
}

/** Bytes of a body that wait for their reader before the connection is stopped. */
const UNREAD_BYTES = 1024 * 1024

/**
 * Node's own client under its `fetch`, where there is one: a short command is answered in two thirds of the time. Requests
 * whose body is a stream go by `otherwise`. `null` elsewhere.
 */
export function byNodeHttp(otherwise: Send): Send | null {
  const { process, Deno, Bun } = globalThis as {
    process?: { release?: { name?: string }; getBuiltinModule?: (name: string) => unknown }
    Deno?: unknown
    Bun?: unknown
  }
  // Others offer the same modules with habits of their own.
  const load = process?.release?.name === 'node' && !Deno && !Bun ? process.getBuiltinModule : undefined
  if (load === undefined) return null
  const clients = new Map<string, { http: Http; server: object }>()
  /** For a scheme, host and port, which are looked at once. */
  const clientFor = (origin: string) => {
    let client = clients.get(origin)
    if (client === undefined) {
      const { protocol, hostname, port, username, password } = new URL(origin)
      const http = load(protocol === 'https:' ? 'node:https' : 'node:http') as Http
      const server = {
        agent: new http.Agent({ keepAlive: true }),
        protocol,
        // An address of IPv6 has brackets in a URL only.
        hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
        port,
        ...(username || password ? { auth: `${decodeURIComponent(username)}:${decodeURIComponent(password)}` } : {}),
      }
      client = { http, server }
      clients.set(origin, client)
    }
    return client
  }
  return (url, request, signal) => {
    const { body } = request
    if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array))
      return otherwise(url, request, signal)
    const pathAt = url.indexOf('/', url.indexOf('//') + 2)
    const { http, server } = clientFor(url.slice(0, pathAt))
    return new Promise((resolve, reject) => {
      // Not by the option of that name, which watches the whole life of the stream for it.
      const abort = () => sent.destroy(signal.reason)
      const over = () => signal.removeEventListener('abort', abort)
      const sent = http.request(
        { ...server, path: url.slice(pathAt), method: request.method, headers: headersOf(request, body) },
        (message) => {
          message.on('close', over)
          resolve(new MessageAnswer(message, url))
        },
      )
      sent.on('error', (error) => {
        over()
        reject(error)
      })
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) abort()
      else sent.end(body)
    })
  }
}

function headersOf({ method, headers }: Outgoing, body: string | Uint8Array | undefined): Record<string, string> {
  if (body === undefined) return method === 'GET' ? headers : { ...headers, 'content-length': '0' }
  const length = typeof body === 'string' ? new TextEncoder().encode(body).length : body.length
  return { ...headers, 'content-length': String(length) }
}

/** Takes its body from the beginning, read or not: what came together with the headers is then there for the first reader. */
class MessageAnswer implements Answer {
  readonly url: string
  readonly #message: Message
  #queue: Uint8Array[] = []
  #unread = 0
  #over: 'end' | Error | null = null
  #wake = () => {}

  constructor(message: Message, url: string) {
    this.#message = message
    this.url = url
    message.on('data', (chunk) => {
      this.#queue.push(chunk)
      this.#unread += chunk.length
      if (this.#unread > UNREAD_BYTES) message.pause()
      this.#wake()
    })
    message.on('end', () => this.#end('end'))
    message.on('error', (error) => this.#end(error))
    // Without a word where the other side has gone.
    message.on('close', () => this.#end(message.complete ? 'end' : new Error('The connection broke')))
  }

  #end(how: 'end' | Error): void {
    this.#over ??= how
    this.#wake()
  }

  get status(): number {
    return this.#message.statusCode
  }

  header(name: string): string | null {
    const value = this.#message.headers[name.toLowerCase()]
    return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes())
  }

  async bytes(): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of this.chunks()) {
      parts.push(part)
      length += part.length
    }
    if (parts.length === 1) return parts[0] as Uint8Array
    const whole = new Uint8Array(length)
    let at = 0
    for (const part of parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const message = this.#message
    try {
      for (;;) {
        const chunks = this.#queue
        this.#queue = []
        this.#unread = 0
        if (chunks.length > 0) {
          message.resume()
          yield* chunks
        } else if (this.#over === 'end') return
        else if (this.#over !== null) throw this.#over
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
      }
    } finally {
      if (this.#over !== 'end') message.destroy()
    }
  }
}
