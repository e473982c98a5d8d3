import { type ErrorContexts, matchingRule, notFound, type OutgoingRule, SpawnpointError } from '@spawnpoint/core'
import { discard, ForbiddenAddress, Http, type HttpAnswer, nextHop, Trail } from '@spawnpoint/outbound'
import { BadPacket } from './pkt-line.ts'

const MAX_REDIRECTS = 5
const SERVICE = 'git-upload-pack'

/**
 * Requests to one repository, over HTTP and in version 2 of Git's protocol: who we are, where we are sent on to, and what it
 * means when it does not work. What a stranger's server says is shown to nobody but as the text of an error, cut short.
 */
export class GitSession implements Disposable {
  readonly #http: Http
  readonly #credentials: readonly OutgoingRule[]
  readonly #signal: AbortSignal
  /** As it was asked for */
  readonly #origin: string
  /** Where it is, which may be elsewhere than was asked for */
  #url: string
  readonly #trail = new Trail()

  /** `roots` are certificates (PEM) of those that may say who a server is. */
  constructor(url: string, credentials: readonly OutgoingRule[], roots: readonly string[], signal: AbortSignal) {
    this.#http = new Http({ roots })
    this.#url = url.replace(/\/+$/, '')
    this.#origin = new URL(url).origin
    this.#credentials = credentials
    this.#signal = signal
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]()
  }

  /** What the server can do. */
  async advertisement(): Promise<HttpAnswer> {
    const suffix = `/info/refs?service=${SERVICE}`
    let url = new URL(`${this.#url}${suffix}`)
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const answer = await this.#ask('GET', url)
      const location = answer.header('location')
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) {
        if (hop > 0 && !url.href.endsWith(suffix)) {
          discard(answer)
          throw this.nonsense('it sends us on to something that is no repository')
        }
        this.#url = url.href.slice(0, -suffix.length)
        return this.#expected(answer, 'advertisement')
      }
      discard(answer)
      url = this.#next(url, location)
    }
    throw this.nonsense(`more than ${MAX_REDIRECTS} redirects`)
  }

  async command(body: Buffer): Promise<HttpAnswer> {
    return this.#expected(await this.#ask('POST', new URL(`${this.#url}/${SERVICE}`), body), 'result')
  }

  async #ask(method: 'GET' | 'POST', url: URL, body?: Buffer): Promise<HttpAnswer> {
    const own = url.origin === this.#origin
    const sent: Record<string, string> = { 'git-protocol': 'version=2', accept: '*/*' }
    if (body !== undefined) {
      sent['content-type'] = `application/x-${SERVICE}-request`
      sent['content-length'] = String(body.length)
    }
    const target = `${url.pathname}${url.search}`
    // A rule names the hosts that its headers are for: where we are sent on to others count.
    const rule = matchingRule(this.#credentials, url.hostname, target, Object.entries(sent), portOf(url))
    // What belongs to a host that requests are sent to instead is not for this one.
    const headers = rule?.rewrite === undefined ? rule?.headers : []
    for (const { name, value } of headers ?? []) if (value !== null) sent[name.toLowerCase()] = value
    try {
      const answer = await this.#http.ask({
        method,
        url,
        headers: sent,
        ...(body === undefined ? {} : { body }),
        nearest: this.#trail.nearest(own),
        signal: this.#signal,
      })
      if (own) this.#trail.answered(answer)
      return answer
    } catch (error) {
      throw this.explained(error)
    }
  }

  #next(from: URL, location: string): URL {
    const next = nextHop(from, location)
    if (next === null) throw this.nonsense('it sends us on to something that is not HTTPS')
    return next
  }

  #expected(answer: HttpAnswer, kind: 'advertisement' | 'result'): HttpAnswer {
    const type = answer.header('content-type')
    if (answer.status === 200 && type === `application/x-${SERVICE}-${kind}`) return answer
    discard(answer)
    const { status } = answer
    if (status === 401 || status === 403) {
      const message = `${this.#host} does not hand out ${this.#url}: it is private, or there is no such repository; a credential for its host may be missing or wrong`
      throw new SpawnpointError('forbidden', message, { what: this.#url })
    }
    if (status === 404 || status === 410) throw notFound('remote', this.#url)
    if (status === 200) throw this.nonsense('no Git server answers there')
    throw this.#unreachable(`answered with status ${status}`)
  }

  // ---------------------------------------------------------------- errors

  get #host(): string {
    return new URL(this.#url).host
  }

  nonsense(detail: string): SpawnpointError<'runtime_failed'> {
    return this.#error('runtime_failed', `does not keep to Git's protocol: ${detail}`, {
      step: 'read a remote',
      detail,
    })
  }

  #unreachable(reason: string, cause?: unknown): SpawnpointError<'unavailable'> {
    return this.#error('unavailable', reason, { reason }, { cause })
  }

  #error<C extends 'runtime_failed' | 'unavailable'>(
    code: C,
    what: string,
    context: ErrorContexts[C],
    options?: ErrorOptions,
  ): SpawnpointError<C> {
    return new SpawnpointError(code, `The Git server ${this.#host} ${what}`, context, options)
  }

  explained(error: unknown): unknown {
    if (error instanceof SpawnpointError) return error
    if (this.#signal.aborted) return this.#signal.reason
    if (error instanceof ForbiddenAddress || error instanceof BadPacket) return this.nonsense(error.message)
    const code = (error as NodeJS.ErrnoException).code
    return this.#unreachable(`cannot be reached (${code ?? (error as Error).message})`, error)
  }
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}
