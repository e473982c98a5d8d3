import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import {
  type ErrorCode,
  type Principal,
  type SpawnpointApi,
  SpawnpointError,
  toSpawnpointError,
} from '@spawnpoint/core'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { Log } from '../log.ts'
import { Builds } from './build-start.ts'
import { authenticate } from './credentials.ts'
import type { Dialect } from './dialect.ts'
import type { DoorContext } from './door-context.ts'
import { errorBody, retryAfterSeconds } from './errors.ts'
import type { AnyRoute, Call } from './route.ts'
import { addUpload } from './routes/builds.ts'
import { controlRoutes } from './routes/index.ts'

/** The recipe of a template is the largest body there is; its files come by another way. */
const JSON_LIMIT_BYTES = 4 * 2 ** 20

export interface ControlDoorOptions {
  api: SpawnpointApi
  log: Log
  dialect: Dialect
  /** Path it is mounted at, such as `/e2b` */
  prefix: string
  /** `host[:port]` under which sandboxes have names of their own; `null` if there is none */
  domain: string | null
}

/**
 * Adds the control plane that the clients of E2B and Novita speak. The server must allow path parameters of 256 characters
 * (`routerOptions: { maxParamLength: 256 }`) and bodies of any duration (`requestTimeout: 0`).
 */
export async function registerE2bControl<L extends FastifyBaseLogger>(
  fastify: FastifyInstance<Server, IncomingMessage, ServerResponse, L>,
  options: ControlDoorOptions,
): Promise<void> {
  await fastify.register(
    async (given) => {
      // The door logs by itself: which logger the instance has does not matter.
      const door = given as unknown as FastifyInstance
      const { api, dialect, prefix, domain } = options
      const builds = new Builds(api, options.log)
      const context: DoorContext = { api, dialect, prefix, domain, builds }
      addErrors(door, options.log)
      await door.register(async (scope) => {
        scope.decorateRequest('e2bCaller', null)
        // Nothing of a request is read before its key is known.
        scope.addHook('onRequest', async (request) => {
          request.e2bCaller = await authenticate(api, request.headers)
        })
        parseJson(scope)
        for (const spec of controlRoutes(context)) addRoute(scope, spec)
      })
      await door.register(async (scope) => {
        scope.removeAllContentTypeParsers()
        scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
        addUpload(scope, context)
      })
    },
    { prefix: options.prefix },
  )
}

declare module 'fastify' {
  interface FastifyRequest {
    e2bCaller: Principal | null
  }
}

function addRoute(scope: FastifyInstance, spec: AnyRoute): void {
  scope.route({
    method: spec.method,
    url: spec.path,
    exposeHeadRoute: false,
    bodyLimit: JSON_LIMIT_BYTES,
    handler: async (request, reply) => {
      const answer = await spec.handle(validCall(spec, request, reply))
      reply.code(answer.status)
      if (answer.headers !== undefined) reply.headers(answer.headers)
      return reply.send(answer.body)
    },
  })
}

function validCall(spec: AnyRoute, request: FastifyRequest, reply: FastifyReply): Call {
  const by = request.e2bCaller
  if (by === null) throw new Error('A route was reached without a key')
  return {
    by,
    params: parse(spec.params, request.params, 'path'),
    query: parse(spec.query, request.query, 'query'),
    body: parse(spec.body, request.body ?? {}, 'body'),
    request,
    reply,
  }
}

/** Fields that nobody asked for are left aside, as these clients' own servers do. */
function parse(schema: z.ZodType | undefined, value: unknown, place: string): unknown {
  if (schema === undefined) return undefined
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.map(({ path, message }) => ({ path: [place, ...path].join('.'), message }))
  const [first] = issues
  throw new SpawnpointError('invalid_argument', `${first?.path.slice(0, 200)}: ${first?.message}`, { issues })
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

function addErrors(door: FastifyInstance, log: Log): void {
  door.setNotFoundHandler(async (request, reply) => {
    const path = (request.url.split('?')[0] ?? '').slice(0, 200)
    return reply.code(404).send({ code: 404, message: `No such call: ${request.method} ${path}` })
  })
  door.setErrorHandler(async (thrown: FastifyError | SpawnpointError, request, reply) => {
    const refused = refusedStatus(thrown)
    const error = refused === null ? toSpawnpointError(thrown) : null
    // What a client broke by going away is no failure of ours.
    if (error !== null && OPERATORS.has(error.code) && !reply.raw.destroyed) {
      log.error({ err: thrown, requestId: request.id, code: error.code }, 'request failed')
    }
    if (reply.raw.headersSent) {
      reply.raw.destroy()
      return reply.hijack()
    }
    const body = error === null ? { code: refused ?? 400, message: thrown.message } : errorBody(error)
    const retryAfter = error === null ? null : retryAfterSeconds(error)
    if (retryAfter !== null) reply.header('retry-after', String(retryAfter))
    return reply.code(body.code).send(body)
  })
}

/** For what the router itself refuses below a mount: a path that is too long, or cannot be decoded. */
export function refuseControl(error: FastifyError, reply: FastifyReply): FastifyReply {
  const code = refusedStatus(error) ?? 400
  return reply.code(code).send({ code, message: error.message })
}

/** The status of Fastify's own refusals: bodies that are too large, of another type, or not JSON. */
function refusedStatus(thrown: unknown): number | null {
  if (thrown instanceof SpawnpointError || !(thrown instanceof Error)) return null
  const { statusCode } = thrown as FastifyError
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500 ? statusCode : null
}
