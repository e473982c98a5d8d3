import { notFound, type Principal, type SpawnpointApi, type Volume } from '@spawnpoint/core'
import { type AnyRoute, everyPage, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { paged, pageQuery } from './paging.ts'

const params = z.object({ key: z.string().min(1).max(128) })

/** Volumes: sandboxes mount them with `mounts`. */
export function volumeRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/volume',
      query: z.object(pageQuery),
      handle: async ({ by, query }) => {
        const nameContains = query.search === '' ? undefined : query.search
        const { items, counts } = paged(await everyPage((page) => api.volumes.list(by, { nameContains }, page)), query)
        return { status: 200, body: { volumes: items.map(volumeJson), ...counts } }
      },
    }),
    route({
      method: 'POST',
      path: '/api/volume',
      body: z.object({ name: z.string().min(1).max(128) }),
      handle: async ({ by, body: { name } }) => ({
        status: 200,
        body: volumeJson(await api.volumes.create(by, { name })),
      }),
    }),
    route({
      method: 'GET',
      path: '/api/volume/:key',
      params,
      handle: async ({ by, params: { key } }) => ({ status: 200, body: volumeJson(await byKey(by, key)) }),
    }),
    route({
      method: 'DELETE',
      path: '/api/volume/:key',
      params,
      handle: async ({ by, params: { key } }) => {
        const { id, name } = await byKey(by, key)
        await api.volumes.delete(by, id)
        return { status: 200, body: { deleted: true, id, name } }
      },
    }),
  ]

  /** By id or name; of names that differ in case alone, the one that is written like this. */
  async function byKey(by: Principal, key: string): Promise<Volume> {
    const all = await everyPage((page) => api.volumes.list(by, {}, page))
    const same = ({ name }: Volume) => name.toLowerCase() === key.toLowerCase()
    const found = all.find(({ id, name }) => id === key || name === key) ?? all.find(same)
    if (found === undefined) throw notFound('volume', key)
    return found
  }
}

function volumeJson({ id, name, sizeBytes }: Volume) {
  return { id, name, size: sizeBytes, transferAmount: 0 }
}
