import type { Answer, Outgoing } from './answer.ts'
import { Deadline } from './deadline.ts'
import { ConnectionError, errorFromServer, ServerError, SpawnpointError } from './errors.ts'
import type { CallOptions, ResolvedOptions } from './options.ts'

/**
 * What may be done when nobody can tell whether an attempt had an effect:
 * `always` – repeating does no harm; `keyed` – an idempotency key makes it so (routes that honour one); `never` – the error goes to the caller
 * (an attempt that certainly had no effect is still repeated); `streamed` – the body is consumed by the first attempt.
 */
export type Repeat = 'always' | 'keyed' | 'never' | 'streamed'

export interface Request extends CallOptions {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Under the server's address, beginning with a slash, parts already encoded */
  path: string
  query?: Record<string, string | number | boolean | readonly string[] | undefined> | undefined
  /** Sent as JSON */
  json?: unknown
  body?: string | Uint8Array | Blob | ReadableStream<Uint8Array> | undefined
  headers?: Record<string, string> | undefined
  /** Default: `keyed` for POST, else `always` */
  repeat?: Repeat | undefined
}

/** Made once: a reason of its own for each body that was read to its end would cost more than most of reading it. */
const LET_GO = new Error('The answer is not read any further')

/** Carries requests: address, key, deadline, safe repeats, and the server's errors as ours. */
export class Transport {
  readonly options: ResolvedOptions

  constructor(options: ResolvedOptions) {
    this.options = options
  }

  /** The JSON body of the answer, `undefined` if it has none. */
  async json<T>(request: Request): Promise<T> {
    return (await this.exchange<T>(request)).body
  }

  async exchange<T>(request: Request): Promise<{ body: T; answer: Answer }> {
    return this.#perform(request, async (answer) => {
      const text = await answer.text()
      return (text === '' ? undefined : parseJson(text, answer)) as T
    })
  }

  async bytes(request: Request): Promise<{ body: Uint8Array; answer: Answer }> {
    return this.#perform(request, (answer) => answer.bytes())
  }

  /**
   * The answer with its body still to be read. The time limit ends with the headers; the caller's signal counts until
   * the end. `close` frees the connection if the body is not read to its end.
   */
  async stream(request: Request): Promise<{ answer: Answer; close: () => void }> {
    const { answer, deadline } = await this.#perform(request, async () => undefined, true)
    return { answer, close: () => deadline.letGo(LET_GO) }
  }

  url(path: string, query?: Request['query']): string {
    const url = new URL(this.options.url + path)
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value === undefined) continue
      for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(one))
    }
    return url.href
  }

  headers(): Record<string, string> {
    return this.options.apiKey === undefined ? {} : { authorization: `Bearer ${this.options.apiKey}` }
  }

  async #perform<T>(
    request: Request,
    read: (answer: Answer) => Promise<T>,
    streaming = false,
  ): Promise<{ body: T; answer: Answer; deadline: Deadline }> {
    const url = this.url(request.path, request.query)
    const what = `${request.method} ${request.path}`
    const repeat = request.repeat ?? (request.method === 'POST' ? 'keyed' : 'always')
    const outgoing = this.#outgoing(request, repeat)
    const { retry } = this.options
    const deadline = new Deadline(what, request.timeoutMs ?? this.options.timeoutMs, request.signal)
    let attempts = 0
    /** An earlier attempt may have had its effect. */
    let unsure = false
    let handedOver = false
    try {
      for (;;) {
        deadline.signal.throwIfAborted()
        attempts += 1
        let failure: SpawnpointError
        try {
          const answer = await this.options.send(url, outgoing, deadline.signal)
          if (answer.status >= 200 && answer.status < 300) {
            const body = await read(answer)
            deadline.stopClock()
            handedOver = streaming
            return { body, answer, deadline }
          }
          failure = await readError(answer)
          if (unsure && request.method === 'DELETE' && failure.code === 'not_found') {
            return { body: undefined as T, answer, deadline }
          }
        } catch (thrown) {
          // A cancelled fetch rejects with whatever the runtime likes; the signal's reason is the truth.
          deadline.signal.throwIfAborted()
          if (thrown instanceof SpawnpointError) throw thrown
          failure = connectionError(url, attempts, thrown)
        }
        const sameWorkGoesOn = unsure && repeat === 'keyed' && failure.code === 'operation_in_progress'
        if (!sameWorkGoesOn && (attempts > retry.repeats || !mayRepeat(failure, repeat))) throw failure
        if (failure.status === 0 && !neverSent(failure)) unsure = true
        await deadline.pause(pauseBefore(failure, attempts, retry))
      }
    } finally {
      if (!handedOver) deadline.release()
    }
  }

  #outgoing(request: Request, repeat: Repeat): Outgoing {
    const headers: Record<string, string> = { ...this.headers(), ...request.headers }
    if (repeat === 'keyed') headers['idempotency-key'] ??= crypto.randomUUID()
    let body = request.body
    if (request.json !== undefined) {
      headers['content-type'] = 'application/json'
      body = JSON.stringify(request.json)
    }
    return { method: request.method, headers, body }
  }
}

function mayRepeat(failure: SpawnpointError, repeat: Repeat): boolean {
  if (repeat === 'streamed') return false
  if (failure.code === 'rate_limited' || neverSent(failure)) return true
  if (repeat === 'never') return false
  return failure.status === 0 || isPassing(failure)
}

/** Told by a server that is starting or stopping, or by a proxy that cannot reach it. */
export function isPassing(failure: SpawnpointError): boolean {
  return failure.code === 'unavailable' || (failure.code === 'bad_response' && [502, 503, 504].includes(failure.status))
}

/** Half to all of base × 2ⁿ, so that clients cut off together do not come back together; never less than was asked. */
export function pauseBefore(
  failure: SpawnpointError | null,
  attempts: number,
  retry: { baseMs: number; maxMs: number },
): number {
  const ceiling = Math.min(retry.maxMs, retry.baseMs * 2 ** (attempts - 1))
  const own = ceiling * (0.5 + Math.random() / 2)
  const asked = failure?.code === 'rate_limited' ? (failure as SpawnpointError<'rate_limited'>).context.retryAfterMs : 0
  return Math.max(own, asked)
}

const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

function neverSent(failure: SpawnpointError): boolean {
  return failure.code === 'connection_failed' && NEVER_SENT.has(systemCode(failure.cause) ?? '')
}

/** The operating system's code at the bottom of a failed fetch. */
export function systemCode(thrown: unknown): string | undefined {
  for (let at: unknown = thrown, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if ('code' in at && typeof at.code === 'string') return at.code
  }
  return undefined
}

export function connectionError(url: string, attempts: number, cause: unknown): ConnectionError {
  const { origin } = new URL(url)
  const code = systemCode(cause)
  const why = code === 'ECONNREFUSED' ? 'nothing listens there' : (code ?? innermostMessage(cause))
  return new ConnectionError('connection_failed', `No answer from ${origin}: ${why}`, { url, attempts }, { cause })
}

/** Fetch itself only says that it failed. */
function innermostMessage(thrown: unknown): string {
  let at = thrown
  while (at instanceof Error && at.cause instanceof Error) at = at.cause
  return at instanceof Error ? at.message : String(at)
}

/** Reads problem+json; anything else was not said by Spawnpoint. */
export async function readError(answer: Answer): Promise<SpawnpointError> {
  const text = await answer.text()
  const { status } = answer
  let problem: unknown
  try {
    problem = JSON.parse(text)
  } catch {
    problem = null // Not JSON: told below.
  }
  if (isProblem(problem)) {
    const context = problem.context ?? problem
    const message = problem.detail ?? problem.title ?? problem.code
    if (problem.code === 'rate_limited') {
      const header = Number(answer.header('retry-after') ?? 0) * 1000
      const given = Number((context as { retryAfterMs?: unknown }).retryAfterMs ?? header)
      return errorFromServer(problem.code, message, { retryAfterMs: Number.isFinite(given) ? given : 0 }, { status })
    }
    return errorFromServer(problem.code, message, context, { status })
  }
  if (status === 429) {
    const seconds = Number(answer.header('retry-after') ?? 0)
    const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : 0
    return errorFromServer('rate_limited', 'Too many requests', { retryAfterMs }, { status })
  }
  return badResponse(answer, text)
}

interface Problem {
  code: string
  title?: string
  detail?: string
  context?: Record<string, unknown>
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string'
}

function parseJson(text: string, answer: Answer): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw badResponse(answer, text)
  }
}

function badResponse(answer: Answer, text: string): ServerError {
  const excerpt = text.trim().slice(0, 200)
  return new ServerError(
    'bad_response',
    `${answer.url || 'The server'} answered ${answer.status} with something that is not Spawnpoint's: ${excerpt || 'nothing'}`,
    { url: answer.url, status: answer.status, excerpt },
    { status: answer.status },
  )
}
