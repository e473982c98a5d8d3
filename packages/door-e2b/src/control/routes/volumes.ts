import type { Volume } from '@spawnpoint/core'
import { type AnyRoute, type Call, everyPage, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../door-context.ts'
import { domainOf } from '../translate.ts'
import { volumeToken } from '../volume-token.ts'

const params = z.object({ id: z.string().min(1).max(128) })
const GIB = 2 ** 30

/** Volumes themselves; what is in them has an address and a token of its own. */
export function volumeRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  const withToken = async ({ by, request }: Pick<Call, 'by' | 'request'>, volume: Volume) => ({
    ...volumeJson(volume),
    token: await volumeToken(api, by, volume),
    // Clients that are told none send the token to their vendor.
    domain: domainOf(context, request.host),
  })
  return [
    route({
      method: 'POST',
      path: '/volumes',
      body: z.object({
        name: z.string().min(1).max(128),
        quotaSizeGiB: optional(z.int().positive().max(1024)),
      }),
      handle: async (call) => {
        const { name, quotaSizeGiB } = call.body
        const size = quotaSizeGiB === undefined ? {} : { sizeBytes: quotaSizeGiB * GIB }
        return { status: 201, body: await withToken(call, await api.volumes.create(call.by, { name, ...size })) }
      },
    }),
    route({
      method: 'GET',
      path: '/volumes',
      handle: async ({ by }) => {
        const all = await everyPage((page) => api.volumes.list(by, {}, page))
        return { status: 200, body: all.map(volumeJson) }
      },
    }),
    route({
      method: 'GET',
      path: '/volumes/:id',
      params,
      handle: async (call) => ({
        status: 200,
        body: await withToken(call, await api.volumes.get(call.by, call.params.id)),
      }),
    }),
    route({
      method: 'DELETE',
      path: '/volumes/:id',
      params,
      handle: async ({ by, params: { id } }) => {
        await api.volumes.delete(by, id)
        return { status: 204, body: undefined }
      },
    }),
  ]
}

function volumeJson({ id, name }: Volume) {
  return { volumeID: id, name }
}
