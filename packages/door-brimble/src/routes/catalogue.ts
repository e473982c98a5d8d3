import type { SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, route } from '@spawnpoint/door-kit'
import { ok } from '../envelope.ts'
import { REGION } from '../region.ts'
import { templates } from '../templates.ts'

export function catalogueRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/sandbox/templates',
      handle: async ({ by }) => ok(await templates(api, by), 'Templates fetched'),
    }),
    route({
      method: 'GET',
      path: '/sandboxes/regions',
      handle: async () => ok({ regions: [REGION] }, 'Regions fetched'),
    }),
  ]
}
