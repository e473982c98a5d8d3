import { SpawnpointError } from '@spawnpoint/core'
import { type AnyRoute, route } from '@spawnpoint/door-kit'
import { ok, pageQuery, paginated } from '../envelope.ts'

/** There are none yet: lists are empty, nothing can be made. */
export function volumeRoutes(): AnyRoute[] {
  const handle = async () => {
    throw new SpawnpointError('not_found', 'Volume not found', { resource: 'route', ref: 'volume' })
  }
  return [
    route({
      method: 'GET',
      path: '/volumes',
      query: pageQuery,
      handle: async ({ query }) => ok(paginated([], query, () => null)),
    }),
    route({
      method: 'POST',
      path: '/volumes',
      handle: async () => {
        throw new SpawnpointError('forbidden', 'This server has no volumes; a persistent sandbox keeps its own disk', {
          what: 'volumes',
        })
      },
    }),
    route({ method: 'GET', path: '/volumes/:id', handle }),
    route({ method: 'DELETE', path: '/volumes/:id', handle }),
  ]
}
