import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { type ErrorCode, type Principal, SpawnpointError, toSpawnpointError } from '@spawnpoint/core'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { boundBodies } from './body-room.ts'
import { wordsOf } from './issue-words.ts'
import type { Log } from './log.ts'
import { type AnyRoute, type Call, type Method, STREAMED } from './route.ts'

/** What the HTTP layer refused by itself: no such route, a body that is too large, of another type, or not JSON. */
export interface RefusedByRouter {
  status: number
  message: string
}

/** An error in a protocol's own shape. */
export interface Refusal {
  status: number
  body: unknown
  headers?: Record<string, string>
}

export interface DoorOptions {
  /** Path that the routes are below, such as `/brimble` */
  prefix: string
  log: Log
  routes: readonly AnyRoute[]
  /** Largest JSON body, in bytes */
  jsonLimitBytes: number
  /** Who is asking; called before anything of a request is read. Rejects `unauthenticated`. */
  authenticate(request: FastifyRequest): Promise<Principal>
  /** How an error is said. `refused` where the request did not get as far as the core. */
  refuse(error: SpawnpointError | RefusedByRouter, request: FastifyRequest): Refusal
}

/**
 * Adds a protocol's routes to the server: authentication first, then validation, then the handler; every failure goes
 * through `refuse`. The server must allow bodies of any duration (`requestTimeout: 0`).
 */
export async function registerDoor<L extends FastifyBaseLogger>(
  fastify: FastifyInstance<Server, IncomingMessage, ServerResponse, L>,
  options: DoorOptions,
): Promise<void> {
  await fastify.register(
    async (given) => {
      // The door logs by itself: which logger the instance has does not matter.
      const door = given as unknown as FastifyInstance
      const open = new Set<AbortController>()
      addErrors(door, options)
      const callers = new WeakMap<FastifyRequest, Principal>()
      door.addHook('onRequest', async (request) => {
        callers.set(request, await options.authenticate(request))
      })
      const add = (scope: FastifyInstance, spec: AnyRoute) =>
        scope.route({
          method: [spec.method].flat() as Method[],
          url: spec.path,
          exposeHeadRoute: false,
          bodyLimit: options.jsonLimitBytes,
          handler: async (request, reply) => {
            const by = callers.get(request)
            if (by === undefined) throw new Error('A route was reached without authentication')
            const answer = await spec.handle(validCall(spec, by, request, reply, open))
            if (answer === STREAMED) return reply
            reply.code(answer.status)
            if (answer.headers !== undefined) reply.headers(answer.headers)
            return reply.send(answer.body)
          },
        })
      await door.register(async (scope) => {
        parseJson(scope)
        boundBodies(scope, (request) => callers.get(request)?.teamId)
        for (const spec of options.routes) if (!spec.rawBody) add(scope, spec)
      })
      await door.register(async (scope) => {
        scope.removeAllContentTypeParsers()
        scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
        for (const spec of options.routes) if (spec.rawBody) add(scope, spec)
      })
      door.addHook('preClose', async () => {
        for (const controller of open) controller.abort()
      })
    },
    { prefix: options.prefix },
  )
}

function validCall(
  spec: AnyRoute,
  by: Principal,
  request: FastifyRequest,
  reply: FastifyReply,
  open: Set<AbortController>,
): Call {
  let signal: AbortSignal | null = null
  return {
    by,
    params: parse(spec.params, request.params, 'path'),
    query: parse(spec.query, request.query, 'query'),
    body: spec.rawBody ? undefined : parse(spec.body, request.body ?? {}, 'body'),
    request,
    reply,
    get signal() {
      // One for all who ask: a long answer asks again with every piece.
      signal ??= signalOf(reply.raw, open)
      return signal
    },
  }
}

function signalOf(response: ServerResponse, open: Set<AbortController>): AbortSignal {
  const controller = new AbortController()
  open.add(controller)
  response.once('close', () => {
    open.delete(controller)
    controller.abort()
  })
  return controller.signal
}

/** Fields that nobody asked for are left aside where a schema is not strict. */
function parse(schema: z.ZodType | undefined, value: unknown, place: string): unknown {
  if (schema === undefined) return undefined
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.slice(0, 20).map((issue) => ({
    path: [place, ...issue.path.map(String)].join('.').slice(0, 200),
    message: wordsOf(issue),
  }))
  const [first] = issues
  throw new SpawnpointError('invalid_argument', `${first?.path}: ${first?.message}`, { issues })
}

/** As Fastify's own, but an empty body with a JSON content type is no body. */
function parseJson(scope: FastifyInstance): void {
  const parser = scope.getDefaultJsonParser('error', 'error')
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else void parser(request, body as string, done)
  })
}

/** Errors whose cause only the operator can find. */
const OPERATORS = new Set<ErrorCode>(['internal', 'runtime_failed', 'guest_unresponsive', 'unavailable', 'disk_full'])

function addErrors(door: FastifyInstance, { log, refuse }: DoorOptions): void {
  const send = (reply: FastifyReply, { status, body, headers }: Refusal) => {
    if (headers !== undefined) reply.headers(headers)
    return reply.code(status).send(body)
  }
  door.setNotFoundHandler(async (request, reply) => {
    const path = (request.url.split('?')[0] ?? '').slice(0, 200)
    return send(reply, refuse({ status: 404, message: `No such call: ${request.method} ${path}` }, request))
  })
  door.setErrorHandler(async (thrown: FastifyError | SpawnpointError, request, reply) => {
    const status = refusedStatus(thrown)
    const error = status === null ? toSpawnpointError(thrown) : { status, message: thrown.message }
    // What a client broke by going away is no failure of ours.
    if (error instanceof SpawnpointError && OPERATORS.has(error.code) && !reply.raw.destroyed) {
      log.error({ err: thrown, requestId: request.id, code: error.code }, 'request failed')
    }
    if (reply.raw.headersSent) {
      reply.raw.destroy()
      return reply.hijack()
    }
    return send(reply, refuse(error, request))
  })
}

function refusedStatus(thrown: unknown): number | null {
  if (thrown instanceof SpawnpointError || !(thrown instanceof Error)) return null
  const { statusCode } = thrown as FastifyError
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500 ? statusCode : null
}
