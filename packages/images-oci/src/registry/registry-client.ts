import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import {
  DEFAULT_REGISTRY,
  notFound,
  type RegistryAccess,
  type RegistryReference,
  SpawnpointError,
} from '@spawnpoint/core'
import { type Challenge, parseChallenges } from './challenge.ts'
import { BodyTooLarge, discard, Http, type HttpAnswer, readAll } from './http.ts'
import { ForbiddenAddress, type Reach, reachOf } from './reach.ts'

/** Docker Hub's name for itself is not where its API is. */
const HUB_API = 'registry-1.docker.io'
const MANIFEST_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')
const MAX_MANIFEST_BYTES = 4 * 2 ** 20
const MAX_TOKEN_BYTES = 256 * 2 ** 10
const MAX_REDIRECTS = 5

export interface Manifest {
  digest: string
  bytes: Buffer
  /** As the registry says; the manifest itself may say too */
  mediaType: string
}

/**
 * The pulling half of the OCI distribution protocol for one repository. Errors: `not_found`, `forbidden` (credentials are
 * missing or wrong), `rate_limited`, `unavailable` (cannot be reached, or answers nonsense). What a registry answers is
 * bounded, and is shown to nobody.
 */
export class RegistryClient implements Disposable {
  readonly #http = new Http()
  readonly #reference: RegistryReference
  readonly #base: URL
  readonly #basic: string | null
  readonly #signal: AbortSignal
  /** Of the registry itself, from its first answer on */
  #reach: Reach | null = null
  #authorization: string | null = null

  constructor(reference: RegistryReference, access: RegistryAccess | null, signal: AbortSignal) {
    this.#reference = reference
    this.#signal = signal
    this.#base = baseOf(reference.registry, access)
    const { username = null, password = null } = access ?? {}
    this.#basic =
      username === null ? null : `Basic ${Buffer.from(`${username}:${password ?? ''}`, 'utf8').toString('base64')}`
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]()
  }

  /** By tag or digest, the reference's own unless told. A digest is checked. */
  async manifest(digest: string | null = this.#reference.digest): Promise<Manifest> {
    const name = digest ?? this.#reference.tag ?? 'latest'
    const answer = await this.#get(`manifests/${name}`, { accept: MANIFEST_TYPES })
    const bytes = await this.#read(answer, MAX_MANIFEST_BYTES)
    const actual = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    if (digest !== null && actual !== digest) throw this.#nonsense(`the manifest ${digest} has the digest ${actual}`)
    return { digest: actual, bytes, mediaType: answer.header('content-type')?.split(';')[0]?.trim() ?? '' }
  }

  /** True if these credentials may read the blob. */
  async has(digest: string): Promise<boolean> {
    const answer = await this.#ask('HEAD', `blobs/${digest}`, {})
    discard(answer)
    if (answer.status === 200) return true
    // Some registries send a HEAD on to a store whose links are for GET only.
    if (answer.status === 405 || answer.status === 403) {
      const got = await this.#ask('GET', `blobs/${digest}`, { range: 'bytes=0-0' })
      discard(got)
      return got.status === 200 || got.status === 206
    }
    return false
  }

  /** The blob from byte `from` on, or all of it where the registry cannot begin in the middle. */
  async blob(digest: string, from: number): Promise<{ start: number; body: Readable }> {
    const range = from > 0 ? { range: `bytes=${from}-` } : {}
    const answer = await this.#get(`blobs/${digest}`, range)
    if (answer.status !== 206) return { start: 0, body: answer.body }
    const start = Number(/^bytes (\d+)-/.exec(answer.header('content-range') ?? '')?.[1] ?? Number.NaN)
    if (start === from) return { start, body: answer.body }
    discard(answer)
    throw this.#nonsense(`asked for byte ${from} and on, it answered from ${start}`)
  }

  async #get(path: string, headers: Record<string, string>): Promise<HttpAnswer> {
    const answer = await this.#ask('GET', path, headers)
    const { status } = answer
    if (status === 200 || status === 206) return answer
    discard(answer)
    // It cannot begin there: from the start then.
    if (status === 416 && headers.range !== undefined) return this.#get(path, {})
    if (status === 404) throw notFound('image', this.#name())
    if (status === 401 || status === 403) throw this.#denied()
    if (status === 429) throw this.#limited(answer)
    throw this.#unreachable(`answered with status ${status}`)
  }

  /** Asks as whoever we are, and once more after proving it. */
  async #ask(method: 'GET' | 'HEAD', path: string, headers: Record<string, string>): Promise<HttpAnswer> {
    const url = new URL(`/v2/${this.#reference.repository}/${path}`, this.#base)
    const first = await this.#follow(method, url, headers)
    if (first.status !== 401) return first
    discard(first)
    this.#authorization = await this.#authorize(parseChallenges(first.header('www-authenticate') ?? ''))
    return this.#follow(method, url, headers)
  }

  async #follow(method: 'GET' | 'HEAD', from: URL, headers: Record<string, string>): Promise<HttpAnswer> {
    let url = from
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      // Where it sends us on to is not who was trusted with the credentials.
      const own = url.origin === this.#base.origin && this.#authorization !== null
      const all = { ...headers, ...(own && this.#authorization !== null ? { authorization: this.#authorization } : {}) }
      const answer = await this.#http
        .ask({
          method,
          url,
          headers: all,
          nearest: hop === 0 ? 'loopback' : (this.#reach ?? 'public'),
          signal: this.#signal,
        })
        .catch((error: unknown) => this.#explain(error))
      if (url.origin === this.#base.origin) this.#reach ??= answer.reach
      const location = answer.header('location')
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer
      discard(answer)
      url = this.#next(url, location)
    }
    throw this.#nonsense(`more than ${MAX_REDIRECTS} redirects`)
  }

  #next(url: URL, location: string): URL {
    const next = URL.parse(location, url.href)
    const secure = next?.protocol === 'https:' || (next?.protocol === 'http:' && url.protocol === 'http:')
    if (next === null || !secure) throw this.#nonsense('it sends us on to something that is not HTTPS')
    next.username = ''
    next.password = ''
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
    url.searchParams.set('scope', parameters.scope ?? `repository:${this.#reference.repository}:pull`)
    const answer = await this.#http
      .ask({
        method: 'GET',
        url,
        headers: this.#basic === null ? {} : { authorization: this.#basic },
        nearest: this.#reach ?? 'public',
        signal: this.#signal,
      })
      .catch((error: unknown) => this.#explain(error))
    if (answer.status !== 200) {
      discard(answer)
      if (answer.status === 429) throw this.#limited(answer)
      if (answer.status < 500) throw this.#denied()
      throw this.#unreachable(`its token service answered with status ${answer.status}`)
    }
    const token = tokenIn(await this.#read(answer, MAX_TOKEN_BYTES))
    if (token === null) throw this.#nonsense('its token service answered without a token')
    return token
  }

  #read(answer: HttpAnswer, limitBytes: number): Promise<Buffer> {
    return readAll(answer.body, limitBytes).catch((error: unknown) => {
      throw error instanceof BodyTooLarge ? this.#nonsense(error.message) : this.#explain(error)
    })
  }

  // ---------------------------------------------------------------- errors

  #name(): string {
    const { registry, repository, tag, digest } = this.#reference
    return `${registry}/${repository}${digest === null ? `:${tag}` : `@${digest}`}`
  }

  #denied(): SpawnpointError<'forbidden'> {
    const why =
      this.#basic === null
        ? 'it is private, or there is no such image; a user and password may be needed'
        : 'the user or password is wrong, or may not read it'
    return new SpawnpointError('forbidden', `${this.#reference.registry} does not hand out ${this.#name()}: ${why}`, {
      what: this.#name(),
    })
  }

  #limited(answer: HttpAnswer): SpawnpointError<'rate_limited'> {
    const seconds = Number(answer.header('retry-after') ?? '60')
    const retryAfterMs = (Number.isFinite(seconds) ? Math.min(3_600, Math.max(1, seconds)) : 60) * 1_000
    return new SpawnpointError('rate_limited', `${this.#reference.registry} wants fewer requests; try again later`, {
      retryAfterMs,
    })
  }

  #unreachable(reason: string, cause?: unknown): SpawnpointError<'unavailable'> {
    const message = `The registry ${this.#reference.registry} ${reason}`
    return new SpawnpointError('unavailable', message, { reason }, { cause })
  }

  #nonsense(detail: string): SpawnpointError<'runtime_failed'> {
    const message = `The registry ${this.#reference.registry} does not keep to the protocol: ${detail}`
    return new SpawnpointError('runtime_failed', message, { step: 'pull the image', detail })
  }

  #explain(error: unknown): never {
    if (error instanceof SpawnpointError) throw error
    if (this.#signal.aborted) throw this.#signal.reason
    if (error instanceof ForbiddenAddress) throw this.#nonsense(error.message)
    const code = (error as NodeJS.ErrnoException).code
    throw this.#unreachable(`cannot be reached (${code ?? (error as Error).message})`, error)
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
