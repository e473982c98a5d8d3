import { isCode, notFound, type Principal, type SpawnpointApi, SpawnpointError, type Volume } from '@spawnpoint/core'
import { type AnyRoute, everyPage, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { matches, paged, pageQuery } from './paging.ts'

const params = z.object({ key: z.string().min(1).max(128) })

/** Volumes: sandboxes mount them with `mounts`. */
export function volumeRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/volume',
      query: z.object(pageQuery),
      handle: async ({ by, query }) => {
        const all = await everyPage((page) => api.volumes.list(by, {}, page))
        const found = all.filter(({ id, name }) => matches(query.search, name, id))
        const { items, counts } = paged(found, query)
        const volumes = await Promise.all(items.map((volume) => volumeJson(api, by, volume)))
        return { status: 200, body: { volumes, ...counts } }
      },
    }),
    route({
      method: 'POST',
      path: '/api/volume',
      body: z.object({ name: z.string().min(1).max(128) }),
      handle: async ({ by, body: { name } }) => ({
        status: 200,
        body: await volumeJson(api, by, await api.volumes.create(by, { name })),
      }),
    }),
    route({
      method: 'GET',
      path: '/api/volume/:key',
      params,
      handle: async ({ by, params: { key } }) => ({
        status: 200,
        body: await volumeJson(api, by, await byKey(by, key)),
      }),
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

  /** By id or name; of names that differ in case alone, the one that is written like this. Rejects `name_taken` if none is. */
  async function byKey(by: Principal, key: string): Promise<Volume> {
    const all = await everyPage((page) => api.volumes.list(by, {}, page))
    const exact = all.find(({ id, name }) => id === key || name === key)
    if (exact !== undefined) return exact
    const [found, ...others] = all.filter(({ name }) => name.toLowerCase() === key.toLowerCase())
    if (found === undefined) throw notFound('volume', key)
    if (others.length === 0) return found
    throw new SpawnpointError('name_taken', `Several volumes are called ${key}: say which by its id`, {
      resource: 'volume',
      name: key,
    })
  }
}

/** Its size is that of what is in it. */
async function volumeJson(api: SpawnpointApi, by: Principal, { id, name }: Volume) {
  return { id, name, size: await sizeOf(api, by, id), transferAmount: 0 }
}

async function sizeOf(api: SpawnpointApi, by: Principal, id: string): Promise<number> {
  try {
    return (await api.volumes.usage(by, id)).usedBytes
  } catch (error) {
    if (isCode(error, 'not_found')) return 0 // deleted since: who asks for it next is told
    throw error
  }
}
