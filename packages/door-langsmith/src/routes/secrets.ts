import { isCode, type SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, everyPage, route } from '@spawnpoint/door-kit'
import { z } from 'zod'

const changes = z
  .array(z.object({ key: z.string().min(1).max(128), value: z.string().min(1).max(16_384).nullable() }))
  .min(1)
  .max(100)

/** What a workspace's settings hold for the rules of its boxes; the values are not given out. */
export function secretRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/workspaces/current/secrets',
      handle: async ({ by }) => {
        const all = await everyPage((each) => api.secrets.list(by, {}, each))
        return { status: 200, body: all.map(({ name }) => ({ key: name })) }
      },
    }),
    route({
      method: 'POST',
      path: '/workspaces/current/secrets',
      body: changes,
      handle: async ({ by, body }) => {
        for (const { key, value } of body) {
          if (value !== null) await api.secrets.set(by, key, { value })
          else await forget(by, key)
        }
        return { status: 200, body: {} }
      },
    }),
  ]

  async function forget(by: Parameters<SpawnpointApi['secrets']['delete']>[0], key: string): Promise<void> {
    try {
      await api.secrets.delete(by, key)
    } catch (error) {
      // That it is not there is what was asked for.
      if (!isCode(error, 'not_found')) throw error
    }
  }
}
