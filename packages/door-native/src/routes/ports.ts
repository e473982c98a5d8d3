import { holdActive, proxyHttp } from '@spawnpoint/gateway'
import { z } from 'zod'
import { KEY_SUBPROTOCOL } from '../credentials.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, idParams, type Method, route, STREAMED } from '../route.ts'
import { query } from '../schemas/index.ts'

export const portParams = idParams.extend({ port: query.integer(1, 65_535), '*': z.string().optional() })

const METHODS: Method[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** What of a request's path is ours, byte for byte as the client wrote it. */
export function portPrefix(url: string): string {
  return /^\/v1\/sandboxes\/[^/?#]+\/ports\/[^/?#]+/.exec(url)?.[0] ?? ''
}

export function portRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  const proxied = (path: string, routerPath: string, suffix: string): AnyRoute =>
    route({
      method: METHODS,
      path,
      routerPath,
      operationId: `proxyPort${suffix}`,
      tag: 'ports',
      summary: 'HTTP and WebSocket to a program listening in the sandbox',
      description:
        'The request goes on as it is, without the header that carried the API key. Cookies and redirects of the program are kept under this path, and browsers treat its pages as an origin of their own.',
      params: portParams,
      query: z.looseObject({}),
      rawBody: true,
      responses: { 200: { description: "The program's own answer, whatever its status", also: { '*/*': null } } },
      errors: ['not_found', 'wrong_state', 'stale_incarnation', 'guest_unresponsive', 'port_closed'],
      handle: async (call) => {
        const { sandbox, guest } = await api.sandboxes.guest(call.by, call.params.id)
        using _ = holdActive(api, call.by, sandbox.id)
        const { raw } = call.request
        await proxyHttp(guest, call.params.port, raw, call.reply.raw, {
          pathPrefix: portPrefix(raw.url ?? ''),
          stripHeaders: [call.credentials.header],
          stripSubprotocols: KEY_SUBPROTOCOL,
        })
        call.reply.hijack()
        return STREAMED
      },
    })
  return [
    proxied('/sandboxes/{id}/ports/{port}', '/sandboxes/:id/ports/:port', ''),
    proxied('/sandboxes/{id}/ports/{port}/{path}', '/sandboxes/:id/ports/:port/*', 'Path'),
  ]
}
