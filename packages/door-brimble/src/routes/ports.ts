import { isIP } from 'node:net'
import type { SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, hostOf, route } from '@spawnpoint/door-kit'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { idParam, ok } from '../envelope.ts'
import { mustBe } from '../status.ts'

const params = z.object({
  id: idParam('sandbox'),
  port: z
    .string()
    .regex(/^\d{1,5}$/, 'a port')
    .transform(Number)
    .pipe(z.number().min(1).max(65_535)),
})

/** Where a port of a sandbox is seen from outside. */
export function portRoutes(api: SpawnpointApi, domain: string | null): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/sandboxes/:id/ports/:port/preview-url',
      params,
      handle: async ({ by, params: { id, port }, request }) => {
        await mustBe(api, by, id, 'ready', 'serve ports')
        return ok({ port, url: previewUrl(request, domain, id, port) }, 'Preview URL fetched')
      },
    }),
  ]
}

/** Below the server's domain, else below the name that the client used; every name below `localhost` is this machine. */
function previewUrl(request: FastifyRequest, domain: string | null, id: string, port: number): string {
  const scheme = 'encrypted' in request.raw.socket && request.raw.socket.encrypted === true ? 'https' : 'http'
  const { hostname, port: own } = new URL(`${scheme}://${hostOf(request)}`)
  const base = domain?.replace(/:\d+$/, '') ?? (isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? hostname : 'localhost')
  return `${scheme}://${port}-${id}.${base}${own === '' ? '' : `:${own}`}/`
}
