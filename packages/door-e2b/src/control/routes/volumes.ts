import { isCode, type Principal, type Volume } from '@spawnpoint/core'
import { type AnyRoute, type Call, everyPage, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../door-context.ts'
import { domainOf } from '../translate.ts'
import { volumeToken } from '../volume-token.ts'

const params = z.object({ id: z.string().min(1).max(128) })
const GIB = 2 ** 30
const quotaSizeGiB = z.int().positive().max(1024)

/** Volumes themselves; what is in them has an address and a token of its own. */
export function volumeRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  const volumeJson = async (by: Principal, { id, name, sizeBytes }: Volume) => ({
    volumeID: id,
    name,
    quotaSizeGiB: sizeBytes / GIB,
    usedSizeBytes: (await api.volumes.usage(by, id)).usedBytes,
  })
  const withToken = async ({ by, request }: Pick<Call, 'by' | 'request'>, volume: Volume) => ({
    ...(await volumeJson(by, volume)),
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
        quotaSizeGiB: optional(quotaSizeGiB),
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
        const shown = await Promise.all(all.map((one) => unlessGone(volumeJson(by, one))))
        return { status: 200, body: shown.filter((one) => one !== null) }
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
      method: 'PATCH',
      path: '/volumes/:id',
      params,
      body: z.object({ quotaSizeGiB: optional(quotaSizeGiB) }),
      handle: async (call) => {
        const { id } = call.params
        const { quotaSizeGiB: size } = call.body
        const volume =
          size === undefined
            ? await api.volumes.get(call.by, id)
            : await api.volumes.resize(call.by, id, { sizeBytes: size * GIB })
        return { status: 200, body: await withToken(call, volume) }
      },
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

/** `null` for what somebody has deleted since it was listed. */
async function unlessGone<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (isCode(error, 'not_found')) return null
    throw error
  }
}
