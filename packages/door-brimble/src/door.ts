import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { type Log, registerDoor } from '@spawnpoint/door-kit'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { refusal } from './errors.ts'
import { catalogueRoutes } from './routes/catalogue.ts'
import { execRoutes } from './routes/exec.ts'
import { fileRoutes } from './routes/files.ts'
import { lifeRoutes } from './routes/life.ts'
import { portRoutes } from './routes/ports.ts'
import { sandboxRoutes } from './routes/sandboxes.ts'
import { snapshotRoutes } from './routes/snapshots.ts'
import { volumeRoutes } from './routes/volumes.ts'

export const BRIMBLE_PREFIX = '/brimble'
/** A batch of a hundred files in base64 is the largest body there is. */
const JSON_LIMIT_BYTES = 96 * 2 ** 20
const KEY_MAX = 512

export interface BrimbleDoorOptions {
  api: SpawnpointApi
  log: Log
  /** `host[:port]` below which ports of sandboxes have names; `null` for none but `localhost` */
  domain: string | null
}

/** Adds the API that Brimble's clients speak, below `/brimble`. */
export async function registerBrimbleDoor<L extends FastifyBaseLogger>(
  fastify: FastifyInstance<Server, IncomingMessage, ServerResponse, L>,
  { api, log, domain }: BrimbleDoorOptions,
): Promise<void> {
  await registerDoor(fastify, {
    prefix: BRIMBLE_PREFIX,
    log,
    jsonLimitBytes: JSON_LIMIT_BYTES,
    // Before `/sandboxes/:id`, of which some are special cases.
    routes: [
      ...catalogueRoutes(api),
      ...snapshotRoutes(api),
      ...sandboxRoutes(api),
      ...lifeRoutes(api),
      ...execRoutes(api, log),
      ...fileRoutes(api),
      ...portRoutes(api, domain),
      ...volumeRoutes(api),
    ],
    authenticate: (request) => authenticate(api, request),
    refuse: (error, request) => {
      const { headers, ...rest } = refusal(error)
      return { ...rest, headers: { ...headers, 'x-request-id': request.id } }
    },
  })
}

/** For what the router itself refuses below the mount. */
export function refuseBrimble(error: FastifyError, reply: FastifyReply): FastifyReply {
  return reply.code(error.statusCode ?? 400).send({ message: error.message })
}

/** Only `x-brimble-key` counts, as with the vendor's own. */
async function authenticate(api: SpawnpointApi, request: FastifyRequest) {
  const key = request.headers['x-brimble-key']
  if (typeof key !== 'string' || key === '') throw new SpawnpointError('unauthenticated', 'API key is required', {})
  try {
    return await api.authenticate(key.slice(0, KEY_MAX))
  } catch (error) {
    if (error instanceof SpawnpointError && error.code === 'unauthenticated')
      throw new SpawnpointError('unauthenticated', 'Invalid API key', {})
    throw error
  }
}
