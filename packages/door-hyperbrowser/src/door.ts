import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Principal, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { type Log, registerDoor } from '@spawnpoint/door-kit'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { DoorContext } from './context.ts'
import { buildRoutes, isUpload, uploader } from './control/build-routes.ts'
import { controlRoutes } from './control/routes.ts'
import { refusal } from './errors.ts'
import { fileRoutes } from './runtime/file-routes.ts'
import { processRoutes } from './runtime/process-routes.ts'
import { ptyRoutes } from './runtime/pty-routes.ts'
import { PtySizes } from './runtime/pty-sizes.ts'
import { Recorders } from './runtime/recorders.ts'
import { Sockets } from './runtime/sockets.ts'
import { watchRoutes } from './runtime/watch-routes.ts'
import { Watches } from './runtime/watches.ts'
import { runtimeUrl } from './runtime-address.ts'
import { bearerOf, isRuntimeToken } from './runtime-token.ts'

/** Where the control plane is mounted; the vendor's client adds `/api`. */
export const HYPERBROWSER_PREFIX = '/hyperbrowser'
/** Where the client finds the inside of a sandbox: it knows an address by path only if that begins so. */
export const RUNTIME_PREFIX = '/sandbox/'
/** Files within JSON are the largest bodies there are. */
const JSON_LIMIT_BYTES = 96 * 2 ** 20
const KEY_MAX = 512

export interface HyperbrowserDoorOptions {
  api: SpawnpointApi
  log: Log
  /** `host[:port]` under which sandboxes have names of their own; `null` if there is none */
  domain: string | null
}

export interface HyperbrowserDoor {
  /** Adds the control plane, and the runtime API of every sandbox. */
  register<L extends FastifyBaseLogger>(
    fastify: FastifyInstance<Server, IncomingMessage, ServerResponse, L>,
  ): Promise<void>
  /** Whether an upgrade is for the runtime API. */
  upgrades(req: IncomingMessage): boolean
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Ends what is open; an HTTP server would wait for it. */
  close(): void
}

export function openHyperbrowserDoor({ api, log, domain }: HyperbrowserDoorOptions): HyperbrowserDoor {
  const context: DoorContext = { api, log, domain, recorders: new Recorders(api), watches: new Watches() }
  const sizes = new PtySizes()
  const sockets = new Sockets(context, sizes)
  const common = { log, jsonLimitBytes: JSON_LIMIT_BYTES, refuse: told }
  return {
    async register(fastify) {
      await registerDoor(fastify, {
        ...common,
        prefix: HYPERBROWSER_PREFIX,
        routes: [...controlRoutes(context), ...buildRoutes(context, HYPERBROWSER_PREFIX)],
        authenticate: (request) => authenticate(api, request),
      })
      await registerDoor(fastify, {
        ...common,
        prefix: `${RUNTIME_PREFIX}:sandbox`,
        routes: [
          ...processRoutes(context),
          ...ptyRoutes(context, sizes),
          ...fileRoutes(context),
          ...watchRoutes(context),
        ],
        authenticate: (request) => authenticateRuntime(api, request),
      })
    },
    upgrades: (req) => runtimeUrl(req, domain).startsWith(RUNTIME_PREFIX),
    upgrade: (req, socket, head) => sockets.upgrade(req, socket, head, runtimeUrl(req, domain)),
    close() {
      sockets.close()
      context.watches.close()
    },
  }
}

/** For what the router itself refuses below the mounts. */
export function refuseHyperbrowser(error: FastifyError, reply: FastifyReply): FastifyReply {
  return reply.code(error.statusCode ?? 400).send({ message: error.message })
}

function told(error: Parameters<typeof refusal>[0], request: FastifyRequest) {
  const { headers, ...rest } = refusal(error)
  return { ...rest, headers: { ...headers, 'x-request-id': request.id } }
}

/** One of the vendor's own calls sends its key as a bearer token. */
async function authenticate(api: SpawnpointApi, request: FastifyRequest): Promise<Principal> {
  if (isUpload(request)) return uploader(api, request)
  const header = request.headers['x-api-key']
  const key = typeof header === 'string' && header !== '' ? header : bearerOf(request.headers.authorization)
  if (key === '') throw new SpawnpointError('unauthenticated', 'Send your API key in the x-api-key header', {})
  return api.authenticate(key.slice(0, KEY_MAX))
}

/** A presigned address carries its own proof, which its route looks at. */
async function authenticateRuntime(api: SpawnpointApi, request: FastifyRequest): Promise<Principal> {
  const { sandbox = '' } = request.params as { sandbox?: string }
  const { token } = request.query as { token?: unknown }
  const isPresigned = typeof token === 'string' && /\/files\/(upload|download)$/.test(request.url.split('?')[0] ?? '')
  if (!isPresigned && !isRuntimeToken(api, sandbox, bearerOf(request.headers.authorization)))
    throw new SpawnpointError('unauthenticated', 'The runtime token is missing, invalid or has expired', {})
  const reached = await api.sandboxes.reach(sandbox)
  if (reached === null) {
    const message = 'Sandbox is not running'
    throw new SpawnpointError('wrong_state', message, {
      resource: 'sandbox',
      id: sandbox,
      state: 'killed',
      request: 'use',
    })
  }
  return reached.by
}
