import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Principal, SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, type Log, registerDoor } from '@spawnpoint/door-kit'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply } from 'fastify'
import { BASES, WORKSPACE_BASE } from './address.ts'
import type { Leases } from './commands/leases.ts'
import { authenticate } from './credentials.ts'
import { refusal } from './errors.ts'
import { boxRoutes } from './routes/boxes.ts'
import { executeRoutes } from './routes/execute.ts'
import { fileRoutes } from './routes/files.ts'
import { lifeRoutes } from './routes/life.ts'
import { registryRoutes } from './routes/registries.ts'
import { searchRoutes } from './routes/search.ts'
import { secretRoutes } from './routes/secrets.ts'
import { type ServiceOptions, serviceRoutes } from './routes/services.ts'
import { snapshotRoutes } from './routes/snapshots.ts'
import { usageRoutes } from './routes/usage.ts'
import { reachLink } from './services/reach-link.ts'

const JSON_LIMIT_BYTES = 8 * 2 ** 20

export interface LangsmithDoorOptions extends ServiceOptions {
  api: SpawnpointApi
  log: Log
  /** Those of the upgrade handler: a command may be followed in both ways */
  leases: Leases
}

/** Adds the API that LangSmith's clients speak, below `/langsmith`. */
export async function registerLangsmithDoor<L extends FastifyBaseLogger>(
  fastify: FastifyInstance<Server, IncomingMessage, ServerResponse, L>,
  { api, log, domain, tls, leases }: LangsmithDoorOptions,
): Promise<void> {
  fastify.addHook('onClose', async () => leases[Symbol.dispose]())
  const routes: AnyRoute[] = [
    ...boxRoutes(api),
    ...lifeRoutes(api, log),
    ...snapshotRoutes(api, log),
    ...registryRoutes(api),
    ...serviceRoutes(api, { domain, tls }),
    ...executeRoutes(api, leases),
    ...fileRoutes(api, domain),
    ...searchRoutes(api),
    ...usageRoutes(api),
  ]
  const doors = [...BASES.map((prefix) => ({ prefix, routes })), { prefix: WORKSPACE_BASE, routes: secretRoutes(api) }]
  for (const { prefix, routes } of doors) {
    await registerDoor(fastify, {
      prefix,
      log,
      jsonLimitBytes: JSON_LIMIT_BYTES,
      routes,
      authenticate: async (request): Promise<Principal> =>
        (await reachLink(api, request.raw)) ?? authenticate(api, request.headers),
      refuse: (error, request) => refusal(error, request.raw.url ?? '/'),
    })
  }
}

/** For what the router itself refuses below the mount. */
export function refuseLangsmith(error: FastifyError, reply: FastifyReply): FastifyReply {
  const refused = refusal({ status: error.statusCode ?? 400, message: error.message }, '/')
  return reply.code(refused.status).send(refused.body)
}
