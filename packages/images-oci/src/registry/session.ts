import type { Readable } from 'node:stream'
import {
  DEFAULT_REGISTRY,
  formatImageReference,
  notFound,
  type RegistryAccess,
  type RegistryReference,
  SpawnpointError,
} from '@spawnpoint/core'
import {
  BodyTooLarge,
  discard,
  ForbiddenAddress,
  Http,
  type HttpAnswer,
  type HttpRequest,
  nextHop,
  reachOf,
  readAll,
  Trail,
} from '@spawnpoint/outbound'
import { type Challenge, parseChallenges } from './challenge.ts'

/** Docker Hub's name for itself is not where its API is. */
const HUB_API = 'registry-1.docker.io'
const MAX_TOKEN_BYTES = 256 * 2 ** 10
const MAX_REDIRECTS = 5

export interface SessionRequest {
  method: HttpRequest['method']
  /** Below the repository's own place, or a whole address that the registry gave out */
  path: string | URL
  headers?: Record<string, string>
  /** Made anew each time that it is sent; its length must be among the headers */
  body?: () => Readable | Buffer
}

/**
 * Requests to one repository: who we are, where we are sent on to, and what it means when it does not work. Errors:
 * `not_found`, `forbidden` (credentials are missing or wrong), `rate_limited`, `unavailable` (cannot be reached),
 * `runtime_failed` (answers nonsense). What a registry answers is bounded, and is shown to nobody.
 */
export class RegistrySession implements Disposable {
  readonly reference: RegistryReference
  readonly #http = new Http()
  readonly #base: URL
  readonly #basic: string | null
  readonly #actions: 'pull' | 'pull,push'
  readonly #signal: AbortSignal
  readonly #trail = new Trail()
  #authorization: string | null = null

  constructor(
    reference: RegistryReference,
    access: RegistryAccess | null,
    actions: 'pull' | 'pull,push',
    signal: AbortSignal,
  ) {
    this.reference = reference
    this.#actions = actions
    this.#signal = signal
    this.#base = baseOf(reference.registry, access)
    const { username = null, password = null } = access ?? {}
    this.#basic =
      username === null ? null : `Basic ${Buffer.from(`${username}:${password ?? ''}`, 'utf8').toString('base64')}`
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]()
  }

  /** Asks as whoever we are, and once more after proving it. */
  async ask(request: SessionRequest): Promise<HttpAnswer> {
    const { path } = request
    const url = path instanceof URL ? path : new URL(`/v2/${this.reference.repository}/${path}`, this.#base)
    const first = await this.#follow(url, request)
    if (first.status !== 401) return first
    discard(first)
    this.#authorization = await this.#authorize(parseChallenges(first.header('www-authenticate') ?? ''))
    return this.#follow(url, request)
  }

  /** Of an address that an image names: as nobody, and no nearer to this host than the registry is. */
  async askElsewhere(address: string, headers: Record<string, string>): Promise<HttpAnswer> {
    return this.#follow(this.#next(this.#base, address), { method: 'GET', path: '', headers }, null)
  }

  /** As `ask`, and rejects unless the status is one of these. */
  async expect(request: SessionRequest, statuses: number[]): Promise<HttpAnswer> {
    return this.check(await this.ask(request), statuses)
  }

  check(answer: HttpAnswer, statuses: number[]): HttpAnswer {
    if (statuses.includes(answer.status)) return answer
    discard(answer)
    if (answer.status === 404) throw notFound('image', formatImageReference(this.reference))
    if (answer.status === 401 || answer.status === 403) throw this.#denied()
    if (answer.status === 429) throw this.#limited(answer)
    throw this.unreachable(`answered with status ${answer.status}`)
  }

  /** The address in an answer's `Location`: nothing but HTTP, and not worse than what we came from. */
  location(answer: HttpAnswer): URL {
    return this.#next(this.#base, answer.header('location') ?? '')
  }

  read(answer: HttpAnswer, limitBytes: number): Promise<Buffer> {
    return readAll(answer.body, limitBytes).catch((error: unknown) => {
      throw error instanceof BodyTooLarge ? this.nonsense(error.message) : this.#explained(error)
    })
  }

  async #follow(
    from: URL,
    { method, headers = {}, body }: SessionRequest,
    proof = this.#authorization,
  ): Promise<HttpAnswer> {
    let url = from
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      // Where it sends us on to is not who was trusted with the credentials.
      const own = url.origin === this.#base.origin
      const authorization = own && proof !== null ? { authorization: proof } : {}
      const answer = await this.#http
        .ask({
          method,
          url,
          headers: { ...headers, ...authorization },
          ...(body === undefined ? {} : { body: body() }),
          nearest: this.#trail.nearest(own),
          signal: this.#signal,
        })
        .catch((error: unknown) => {
          throw this.#explained(error)
        })
      if (own) this.#trail.answered(answer)
      const location = answer.header('location')
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer
      discard(answer)
      url = this.#next(url, location)
    }
    throw this.nonsense(`more than ${MAX_REDIRECTS} redirects`)
  }

  #next(url: URL, location: string): URL {
    const next = nextHop(url, location)
    if (next === null) throw this.nonsense('it sends us on to something that is not HTTPS')
    return next
  }

  async #authorize(challenges: Challenge[]): Promise<string> {
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    if (bearer !== undefined) return `Bearer ${await this.#token(bearer)}`
    const basic = challenges.some(({ scheme }) => scheme === 'basic')
    if (!basic || this.#basic === null) throw this.#denied()
    return this.#basic
  }

  async #token({ parameters }: Challenge): Promise<string> {
    const url = this.#next(this.#base, parameters.realm ?? '')
    if (parameters.service !== undefined) url.searchParams.set('service', parameters.service)
    const own = `repository:${this.reference.repository}:${this.#actions}`
    url.searchParams.set('scope', parameters.scope ?? own)
    const answer = await this.#http
      .ask({
        method: 'GET',
        url,
        headers: this.#basic === null ? {} : { authorization: this.#basic },
        nearest: this.#trail.nearest(false),
        signal: this.#signal,
      })
      .catch((error: unknown) => {
        throw this.#explained(error)
      })
    if (answer.status !== 200) {
      discard(answer)
      if (answer.status === 429) throw this.#limited(answer)
      if (answer.status < 500) throw this.#denied()
      throw this.unreachable(`has a token service that answered with status ${answer.status}`)
    }
    const token = tokenIn(await this.read(answer, MAX_TOKEN_BYTES))
    if (token === null) throw this.nonsense('its token service answered without a token')
    return token
  }

  // ---------------------------------------------------------------- errors

  #denied(): SpawnpointError<'forbidden'> {
    const what = formatImageReference(this.reference)
    const doing = this.#actions === 'pull' ? 'hand out' : 'take'
    const why =
      this.#basic === null
        ? 'it is private, or there is no such image; a user and password may be needed'
        : `the user or password is wrong, or may not ${this.#actions === 'pull' ? 'read' : 'write'} it`
    return new SpawnpointError('forbidden', `${this.reference.registry} does not ${doing} ${what}: ${why}`, { what })
  }

  #limited(answer: HttpAnswer): SpawnpointError<'rate_limited'> {
    const seconds = Number(answer.header('retry-after') ?? '60')
    const retryAfterMs = (Number.isFinite(seconds) ? Math.min(3_600, Math.max(1, seconds)) : 60) * 1_000
    return new SpawnpointError('rate_limited', `${this.reference.registry} wants fewer requests; try again later`, {
      retryAfterMs,
    })
  }

  unreachable(reason: string, cause?: unknown): SpawnpointError<'unavailable'> {
    const message = `The registry ${this.reference.registry} ${reason}`
    return new SpawnpointError('unavailable', message, { reason }, { cause })
  }

  missing(detail: string): SpawnpointError<'not_found'> {
    const ref = formatImageReference(this.reference)
    const message = `The registry ${this.reference.registry} cannot hand out ${ref}: ${detail}`
    return new SpawnpointError('not_found', message, { resource: 'image', ref })
  }

  nonsense(detail: string): SpawnpointError<'runtime_failed'> {
    const message = `The registry ${this.reference.registry} does not keep to the protocol: ${detail}`
    return new SpawnpointError('runtime_failed', message, { step: 'talk to the registry', detail })
  }

  #explained(error: unknown): unknown {
    if (error instanceof SpawnpointError) return error
    if (this.#signal.aborted) return this.#signal.reason
    if (error instanceof ForbiddenAddress) return this.nonsense(error.message)
    const code = (error as NodeJS.ErrnoException).code
    return this.unreachable(`cannot be reached (${code ?? (error as Error).message})`, error)
  }
}

/** HTTPS unless the stored registry says otherwise, or it is on this host, as Docker has it. */
function baseOf(registry: string, access: RegistryAccess | null): URL {
  const host = registry === DEFAULT_REGISTRY ? HUB_API : registry
  const name = host.replace(/:\d+$/, '')
  const near = name === 'localhost' || reachOf(name) === 'loopback'
  const plain = access?.plainHttp ?? near
  return new URL(`${plain ? 'http' : 'https'}://${host}`)
}

function tokenIn(body: Buffer): string | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString('utf8'))
  } catch {
    return null // not JSON: the caller says so
  }
  if (typeof parsed !== 'object' || parsed === null) return null
  for (const name of ['token', 'access_token']) {
    const value: unknown = (parsed as Record<string, unknown>)[name]
    if (typeof value === 'string' && /^[\x21-\x7e]{1,100000}$/.test(value)) return value
  }
  return null
}
