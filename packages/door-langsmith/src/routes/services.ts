import type { IncomingMessage } from 'node:http'
import { invalidArgument, type SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { BASES, originOf } from '../address.ts'
import { conflict } from '../errors.ts'
import { find } from '../find-box.ts'
import { contentPolicy, contentPolicyFields } from '../services/content-policy.ts'
import { issueDownloadToken } from '../services/download-token.ts'
import { embedOriginsSchema } from '../services/embed-origins.ts'
import { fileHost } from '../services/file-host.ts'
import { EMBED, LOGIN } from '../services/service-path.ts'
import { issueServiceToken } from '../services/service-token.ts'
import { forgetShares, loginOf, noteLogin, noteShare, sharesOf } from '../services/shares.ts'
import { boxParams } from './boxes.ts'
import { serviceProxyRoutes } from './service-proxy.ts'

const DEFAULT_EXPIRY_S = 600
const MAX_EXPIRY_S = 86_400
const portText = z
  .string()
  .regex(/^[1-9]\d{0,4}$/, 'a port')
  .transform(Number)
  .pipe(z.number().max(65_535))

export interface ServiceOptions {
  /** `host[:port]` below which each port of a sandbox has a host of its own; `null` for none */
  domain: string | null
  /** These hosts are reached over TLS, whatever the request came by */
  tls: boolean
}

export function serviceRoutes(api: SpawnpointApi, { domain, tls }: ServiceOptions): AnyRoute[] {
  const below = (request: IncomingMessage, host: string): string =>
    `${tls ? 'https' : originOf(request).split('://', 1)[0]}://${host}`
  const addressOf = (request: IncomingMessage, { id, port }: { id: string; port: number }): string => {
    return domain === null
      ? `${originOf(request)}${BASES[1]}/${id}/services/${port}`
      : below(request, `${port}-${id}.${domain}`)
  }
  return [
    route({
      method: 'POST',
      path: '/boxes/:name/service-url',
      params: boxParams,
      body: z.object({
        port: z.number().int().min(1).max(65_535),
        expires_in_seconds: optional(z.number().int().min(1).max(MAX_EXPIRY_S)),
        access: optional(z.enum(['restricted', 'workspace', 'off'])),
        embed_origins: optional(embedOriginsSchema),
      }),
      handle: async ({ by, params, body, request }) => {
        const { port, access, embed_origins: origins = [] } = body
        const sandbox = await find(api, by, params.name)
        const service = { id: sandbox.id, port }
        const base = addressOf(request.raw, service)
        const embeds = origins.length === 0 ? {} : { embed_origins: origins }
        if (access === 'restricted' || access === 'workspace') {
          if (body.expires_in_seconds !== undefined)
            throw invalidArgument('body.expires_in_seconds', 'not for access by signing in, which does not expire')
          await noteLogin(api, by, sandbox, port, { access, origins, at: originOf(request.raw) })
          return { status: 200, body: { browser_url: base, service_url: base, access, ...embeds } }
        }
        if (access === undefined && loginOf(sandbox, port) !== undefined)
          throw conflict(`Port ${port} is shared with those who sign in; access 'off' ends that`)
        const expiresAt = new Date(Date.now() + (body.expires_in_seconds ?? DEFAULT_EXPIRY_S) * 1000)
        const token = await issueServiceToken(api.tokens, by, service, { expiresAt, origins })
        await noteShare(api, by, sandbox, { port, expiresAt })
        return {
          status: 200,
          body: {
            browser_url: `${base}${LOGIN}?token=${token}`,
            embed_url: `${base}${EMBED}#token=${token}`,
            service_url: base,
            token,
            expires_at: expiresAt.toISOString(),
            ...embeds,
          },
        }
      },
    }),
    route({
      method: 'GET',
      path: '/boxes/:name/service-urls',
      params: boxParams,
      // There are never so many that they need pages.
      query: z.looseObject({}),
      handle: async ({ by, params }) => ({
        status: 200,
        body: { items: sharesOf(await find(api, by, params.name)), next_cursor: null },
      }),
    }),
    route({
      method: 'DELETE',
      path: '/boxes/:name/service-urls',
      params: boxParams,
      query: z.object({ port: portText.optional() }),
      handle: async ({ by, params, query }) => {
        await forgetShares(api, by, await find(api, by, params.name), query.port)
        return { status: 204 }
      },
    }),
    route({
      method: 'POST',
      path: '/boxes/:name/download-url',
      params: boxParams,
      body: z.object({
        path: z.string().min(1).max(4096),
        expires_in_seconds: optional(z.number().int().min(1)),
        content_type: optional(headerText(255)),
        content_disposition: optional(headerText(1024)),
        ...contentPolicyFields,
      }),
      handle: async ({ by, params, body, request }) => {
        const policy = contentPolicy(body, domain !== null)
        const { id } = await find(api, by, params.name)
        const until = body.expires_in_seconds === undefined ? undefined : Date.now() + body.expires_in_seconds * 1000
        const token = issueDownloadToken(api.tokens, {
          id,
          path: body.path,
          ...(until === undefined ? {} : { until }),
          ...(body.content_type === undefined ? {} : { type: body.content_type }),
          ...(policy === 'sandbox' ? {} : { policy }),
          ...(body.content_disposition === undefined ? {} : { disposition: body.content_disposition }),
        })
        const expires_at = until === undefined ? null : new Date(until).toISOString()
        const origin =
          domain === null ? originOf(request.raw) : below(request.raw, fileHost({ id, path: body.path }, domain))
        const download_url = `${origin}${BASES[1]}/downloads?token=${token}`
        return { status: 200, body: { download_url, token, expires_at } }
      },
    }),
    ...serviceProxyRoutes(api, addressOf),
  ]
}

function headerText(max: number) {
  return z
    .string()
    .max(max)
    .regex(/^[\x20-\x7e]*$/, 'printable ASCII characters')
}
