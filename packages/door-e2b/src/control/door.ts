import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { SpawnpointApi } from '@spawnpoint/core'
import { registerDoor } from '@spawnpoint/door-kit'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply } from 'fastify'
import type { Log } from '../log.ts'
import { Builds } from './build-start.ts'
import { authenticate } from './credentials.ts'
import type { Dialect } from './dialect.ts'
import { refusal } from './errors.ts'
import { isUpload, uploader } from './routes/builds.ts'
import { controlRoutes } from './routes/index.ts'
import { isVolumeContent, volumeRefusal, volumeUser } from './volume-content.ts'

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
  { api, log, dialect, prefix, domain }: ControlDoorOptions,
): Promise<void> {
  await registerDoor(fastify, {
    prefix,
    log,
    jsonLimitBytes: JSON_LIMIT_BYTES,
    routes: controlRoutes({ api, dialect, prefix, domain, builds: new Builds(api, log) }),
    authenticate: async (request) => {
      if (isUpload(request)) return uploader(api, request)
      return isVolumeContent(request) ? volumeUser(api, request) : authenticate(api, request.headers)
    },
    refuse: (error, request) => (isVolumeContent(request) ? volumeRefusal(error) : refusal(error)),
  })
}

/** For what the router itself refuses below a mount: a path that is too long, or cannot be decoded. */
export function refuseControl(error: FastifyError, reply: FastifyReply): FastifyReply {
  const { status, body } = refusal({ status: error.statusCode ?? 400, message: error.message })
  return reply.code(status).send(body)
}
