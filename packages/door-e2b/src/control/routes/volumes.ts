import type { Principal, Volume } from '@spawnpoint/core'
import { type AnyRoute, everyPage, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../door-context.ts'

const params = z.object({ id: z.string().min(1).max(128) })
const GIB = 2 ** 30

/** Volumes are made and mounted here; what is in them is reached from sandboxes alone. */
export function volumeRoutes({ api }: DoorContext): AnyRoute[] {
  // It opens nothing: the calls that would ask for it are not there.
  const withToken = async (by: Principal, volume: Volume) => ({
    ...volumeJson(volume),
    token: await api.tokens.issueFor(by, 'volume', volume.id),
  })
  return [
    route({
      method: 'POST',
      path: '/volumes',
      body: z.object({
        name: z.string().min(1).max(128),
        quotaSizeGiB: optional(z.int().positive().max(1024)),
      }),
      handle: async ({ by, body: { name, quotaSizeGiB } }) => {
        const size = quotaSizeGiB === undefined ? {} : { sizeBytes: quotaSizeGiB * GIB }
        return { status: 201, body: await withToken(by, await api.volumes.create(by, { name, ...size })) }
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
      handle: async ({ by, params: { id } }) => ({
        status: 200,
        body: await withToken(by, await api.volumes.get(by, id)),
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
