import { invalidArgument, type SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, type Call, optional, route, STREAMED } from '@spawnpoint/door-kit'
import { holdActive, proxyHttp } from '@spawnpoint/gateway'
import { z } from 'zod'
import { BASES, originOf } from '../address.ts'
import { unsupported } from '../errors.ts'
import { reachBox } from '../reach-box.ts'
import { contentPolicy, contentPolicyFields } from '../services/content-policy.ts'
import { issueDownloadToken } from '../services/download-token.ts'
import { LOGIN, loginAnswer, reachService, serviceOf, serviceProxy, shownToken } from '../services/service-path.ts'
import { issueServiceToken } from '../services/service-token.ts'
import { forgetShares, noteShare, sharesOf } from '../services/shares.ts'
import { boxParams, find } from './boxes.ts'

const DEFAULT_EXPIRY_S = 600
const MAX_EXPIRY_S = 86_400
const portText = z
  .string()
  .regex(/^[1-9]\d{0,4}$/, 'a port')
  .transform(Number)
  .pipe(z.number().max(65_535))
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

export interface ServiceOptions {
  /** `host[:port]` below which each port of a sandbox has a host of its own; `null` for none */
  domain: string | null
  /** These hosts are reached over TLS, whatever the request came by */
  tls: boolean
}

export function serviceRoutes(api: SpawnpointApi, { domain, tls }: ServiceOptions): AnyRoute[] {
  const proxied = (path: string): AnyRoute =>
    route({
      method: METHODS,
      path,
      rawBody: true,
      handle: async (call) => {
        const { raw } = call.request
        const service = serviceOf(raw.url ?? '/')
        if (service === null) throw invalidArgument('path', 'not the address of a service')
        const [, rest = ''] = (raw.url ?? '').split(service.prefix, 2)
        if (rest.split('?', 1)[0] === LOGIN) return login(call, service.prefix)
        const { sandbox, guest } = await reachBox(api, call.by, service.id)
        using _ = holdActive(api, call.by, sandbox.id)
        await proxyHttp(guest, service.port, raw, call.reply.raw, serviceProxy(service))
        call.reply.hijack()
        return STREAMED
      },
    })
  return [
    route({
      method: 'POST',
      path: '/boxes/:name/service-url',
      params: boxParams,
      body: z.object({
        port: z.number().int().min(1).max(65_535),
        expires_in_seconds: optional(z.number().int().min(1).max(MAX_EXPIRY_S)),
        access: optional(z.string().max(64)),
        embed_origins: optional(z.array(z.string()).max(5)),
      }),
      handle: async ({ by, params, body, request }) => {
        if (body.access !== undefined && body.access !== 'off') throw unsupported(`access ${body.access.slice(0, 64)}`)
        if (body.embed_origins !== undefined && body.embed_origins.length > 0) throw unsupported('embed_origins')
        const sandbox = await find(api, by, params.name)
        const { id } = sandbox
        const expiresAt = new Date(Date.now() + (body.expires_in_seconds ?? DEFAULT_EXPIRY_S) * 1000)
        const token = await issueServiceToken(api.tokens, by, { id, port: body.port }, expiresAt)
        await noteShare(api, by, sandbox, { port: body.port, expiresAt })
        const origin = originOf(request.raw)
        const base =
          domain === null
            ? `${origin}${BASES[1]}/${id}/services/${body.port}`
            : `${tls ? 'https' : origin.split('://', 1)[0]}://${body.port}-${id}.${domain}`
        return {
          status: 200,
          body: {
            browser_url: `${base}${LOGIN}?token=${token}`,
            service_url: base,
            token,
            expires_at: expiresAt.toISOString(),
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
        const policy = contentPolicy(body)
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
        const download_url = `${originOf(request.raw)}${BASES[1]}/downloads?token=${token}`
        return { status: 200, body: { download_url, token, expires_at } }
      },
    }),
    proxied('/:id/services/:port'),
    proxied('/:id/services/:port/*'),
  ]

  async function login({ request: { raw } }: Call, prefix: string) {
    const [, search = ''] = (raw.url ?? '').split('?', 2)
    const service = serviceOf(raw.url ?? '/')
    if (service === null) throw invalidArgument('path', 'not the address of a service')
    const { expiresAt } = await reachService(api, service, raw)
    const secure = originOf(raw).startsWith('https:')
    return { status: 302, headers: loginAnswer(shownToken(raw), expiresAt, prefix, search, secure) }
  }
}

function headerText(max: number) {
  return z
    .string()
    .max(max)
    .regex(/^[\x20-\x7e]*$/, 'printable ASCII characters')
}
