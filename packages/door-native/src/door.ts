import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import {
  type ErrorCode,
  type Principal,
  type SpawnpointApi,
  SpawnpointError,
  toSpawnpointError,
} from '@spawnpoint/core'
import { boundBodies } from '@spawnpoint/door-kit'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { authenticate, type Credentials } from './credentials.ts'
import { docsPage } from './docs-page.ts'
import type { DoorContext } from './door-context.ts'
import { answerOnce, idempotencyKey } from './idempotency.ts'
import { ImageNames } from './image-names.ts'
import type { Log } from './log.ts'
import { openapiDocument } from './openapi.ts'
import { problemOf, retryAfterSeconds, statusOf } from './problem.ts'
import type { AnyRoute, Call } from './route.ts'
import { STREAMED } from './route.ts'
import { nativeRoutes } from './routes/index.ts'
import { JSON_LIMIT_BYTES } from './schemas/index.ts'
import { signalOf } from './streams.ts'

export interface NativeDoorOptions {
  api: SpawnpointApi
  log: Log
  /** Of the server, for the OpenAPI document */
  version: string
  /** As clients are told it; default none */
  domain?: string | null
  /** Checks every answer against its schema; for tests */
  checkAnswers?: boolean
}

/**
 * Adds the native API under `/v1`. The server must allow path parameters of 400 characters
 * (`routerOptions: { maxParamLength: 512 }`) and bodies of any duration (`requestTimeout: 0`).
 */
export async function registerNativeDoor<L extends FastifyBaseLogger>(
  fastify: FastifyInstance<Server, IncomingMessage, ServerResponse, L>,
  options: NativeDoorOptions,
): Promise<void> {
  await fastify.register(
    async (given) => {
      // The door logs by itself: which logger the instance has does not matter.
      const door = given as unknown as FastifyInstance
      const context: DoorContext = {
        api: options.api,
        log: options.log,
        imageNames: new ImageNames(options.api),
        server: { version: options.version, domain: options.domain ?? null },
        openStreams: new Set(),
      }
      const routes = nativeRoutes(context)
      addErrors(door, context)
      addDocuments(door, routes, options.version)
      await door.register(async (scope) => {
        addAuthentication(scope, context)
        parseJson(scope)
        await scope.register(async (parsed) => {
          boundBodies(parsed, (request) => request.nativeCaller?.by.teamId)
          for (const spec of routes) if (!spec.rawBody) addRoute(parsed, context, options, spec)
        })
        await scope.register(async (raw) => {
          raw.removeAllContentTypeParsers()
          raw.addContentTypeParser('*', (_request, _payload, done) => done(null))
          for (const spec of routes) if (spec.rawBody) addRoute(raw, context, options, spec)
        })
      })
      door.addHook('preClose', async () => {
        for (const stream of context.openStreams) stream.abort()
      })
    },
    { prefix: '/v1' },
  )
}

declare module 'fastify' {
  interface FastifyRequest {
    nativeCaller: { by: Principal; credentials: Credentials } | null
  }
}

/** Every route of the scope needs a key, and nothing of a request is read before it is known. */
function addAuthentication(scope: FastifyInstance, { api }: DoorContext): void {
  scope.decorateRequest('nativeCaller', null)
  scope.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    request.nativeCaller = await authenticate(api, request.headers)
  })
}

function addRoute(scope: FastifyInstance, context: DoorContext, options: NativeDoorOptions, spec: AnyRoute): void {
  scope.route({
    method: spec.method,
    url: spec.routerPath ?? spec.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    exposeHeadRoute: false,
    bodyLimit: JSON_LIMIT_BYTES,
    handler: async (request, reply) => {
      const call = new ValidCall(context, spec, request, reply)
      const key = spec.idempotent ? idempotencyKey(request.headers) : null
      const work = async () => {
        const answer = await spec.handle(call)
        if (answer !== STREAMED && options.checkAnswers) checkAnswer(spec, answer)
        return answer
      }
      const answer =
        key === null
          ? await work()
          : await answerOnce(
              context.api,
              call,
              key,
              async (by) => {
                call.by = by
                return neverStreamed(await work())
              },
              { early: spec.idempotent === 'early' },
            )
      if (answer === STREAMED) return reply
      reply.code(answer.status)
      if (answer.headers !== undefined) reply.headers(answer.headers)
      return reply.send(answer.body)
    },
  })
}

class ValidCall implements Call {
  by: Call['by']
  readonly credentials: Call['credentials']
  readonly params: unknown
  readonly query: unknown
  readonly body: unknown
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly #context: DoorContext
  #signal: AbortSignal | null = null

  constructor(context: DoorContext, spec: AnyRoute, request: FastifyRequest, reply: FastifyReply) {
    const caller = request.nativeCaller
    if (caller === null) throw new Error('A route was reached without a key')
    this.#context = context
    this.by = caller.by
    this.credentials = caller.credentials
    this.request = request
    this.reply = reply
    this.params = spec.params === undefined ? {} : parse(spec.params, request.params, 'path')
    this.query = spec.query === undefined ? noQuery(request.query as object) : parse(spec.query, request.query, 'query')
    // No body at all is the same as one without fields: what is then missing is named. A `null` is one, and wrong.
    const given = request.body === undefined ? {} : request.body
    this.body = spec.body === undefined ? undefined : parse(spec.body, given, 'body')
  }

  get signal(): AbortSignal {
    this.#signal ??= signalOf(this.#context, this.reply.raw)
    return this.#signal
  }
}

function parse(schema: z.ZodType, value: unknown, place: string): unknown {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw invalid(result.error.issues.flatMap((issue) => issuesOf(issue, place)))
}

const ISSUES_MAX = 20

function invalid(issues: { path: string; message: string }[]): SpawnpointError<'invalid_argument'> {
  const [first] = issues
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
  return new SpawnpointError('invalid_argument', `${first?.path}: ${first?.message}${more}`, {
    issues: issues.slice(0, ISSUES_MAX),
  })
}

function issuesOf(issue: z.core.$ZodIssue, place: string): { path: string; message: string }[] {
  const path = [place, ...issue.path.map(String)].join('.')
  if (issue.code !== 'unrecognized_keys') return [{ path: shown(path), message: issue.message }]
  return issue.keys.map((key) => ({ path: shown(`${path}.${key}`), message: 'Unknown field' }))
}

function shown(path: string): string {
  return path.length > 200 ? `${path.slice(0, 200)}…` : path
}

function noQuery(query: object): object {
  const unknown = Object.keys(query)
  if (unknown.length === 0) return query
  throw invalid(unknown.map((key) => ({ path: shown(`query.${key}`), message: 'Unknown field' })))
}

function neverStreamed<T>(answer: T | typeof STREAMED): T {
  if (answer === STREAMED) throw new Error('A stream cannot be kept for an idempotency key')
  return answer as T
}

function checkAnswer(spec: AnyRoute, answer: { status: number; body: unknown }): void {
  const schema = spec.responses[answer.status]?.schema
  if (spec.responses[answer.status] === undefined)
    throw new Error(`${spec.operationId}: undocumented status ${answer.status}`)
  if (schema !== undefined) schema.parse(answer.body)
}

/** As Fastify's own, but an empty body with a JSON content type is no body. */
function parseJson(scope: FastifyInstance): void {
  const parser = scope.getDefaultJsonParser('error', 'error')
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    (request, body, done) => {
      if (body === '') done(null, undefined)
      else void parser(request, body as string, done)
    },
  )
}

/** Made when one of them is first asked for: to make them takes a tenth of the processor time of a start. */
function addDocuments(door: FastifyInstance, routes: AnyRoute[], version: string): void {
  const document = once(() => openapiDocument(routes, version))
  const json = once(() => JSON.stringify(document()))
  const page = once(() => docsPage(document()))
  door.get('/openapi.json', { exposeHeadRoute: false }, async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(json()),
  )
  door.get('/docs', { exposeHeadRoute: false }, async (_request, reply) =>
    reply
      .headers({
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
      })
      .send(page()),
  )
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** Errors whose cause only the operator can find. */
const OPERATORS = new Set<ErrorCode>(['internal', 'runtime_failed', 'guest_unresponsive', 'unavailable', 'disk_full'])

function addErrors(door: FastifyInstance, context: DoorContext): void {
  door.setNotFoundHandler(async (request, reply) => {
    const path = shown(request.url.split('?')[0] ?? '')
    const error = new SpawnpointError('not_found', `No such route: ${request.method} ${path}`, {
      resource: 'route',
      ref: path,
    })
    return sendProblem(reply, error, 404)
  })
  door.setErrorHandler(async (thrown: FastifyError | SpawnpointError, request, reply) => {
    const error = fromFastify(thrown) ?? toSpawnpointError(thrown)
    // What a client broke by going away is no failure of ours.
    if (OPERATORS.has(error.code) && !reply.raw.destroyed) {
      context.log.error({ err: thrown, requestId: request.id, code: error.code }, 'request failed')
    }
    if (reply.raw.headersSent) {
      reply.raw.destroy()
      return reply.hijack()
    }
    return sendProblem(reply, error, statusFromFastify(thrown) ?? statusOf(error))
  })
}

async function sendProblem(reply: FastifyReply, error: SpawnpointError, status: number): Promise<FastifyReply> {
  const problem = problemOf(error, reply.request.id, status)
  const retryAfter = retryAfterSeconds(problem)
  if (retryAfter !== null) reply.header('retry-after', String(retryAfter))
  if (error.code === 'unauthenticated') reply.header('www-authenticate', 'Bearer')
  return reply.code(status).type('application/problem+json').send(JSON.stringify(problem))
}

/** Fastify's own refusals: bodies that are too large, of another type, or not JSON. */
function fromFastify(thrown: unknown): SpawnpointError | null {
  const status = statusFromFastify(thrown)
  if (status === null) return null
  if (status === 413) {
    return new SpawnpointError('payload_too_large', 'The request body is too large', { limitBytes: JSON_LIMIT_BYTES })
  }
  const message = status === 415 ? 'Send the body with "Content-Type: application/json"' : (thrown as Error).message
  return new SpawnpointError('invalid_argument', message, { issues: [{ path: 'body', message }] })
}

function statusFromFastify(thrown: unknown): number | null {
  if (thrown instanceof SpawnpointError || !(thrown instanceof Error)) return null
  const { statusCode } = thrown as FastifyError
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500 ? statusCode : null
}
