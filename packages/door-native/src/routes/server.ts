import { LIFECYCLE, possibleRequests, type SandboxState } from '@spawnpoint/core'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'

export function serverRoutes({ server }: DoorContext): AnyRoute[] {
  const states = Object.keys(LIFECYCLE) as SandboxState[]
  const lifecycle = Object.fromEntries(states.map((state) => [state, possibleRequests(state)])) as {
    [S in SandboxState]: ReturnType<typeof possibleRequests>
  }
  return [
    route({
      method: 'GET',
      path: '/server',
      operationId: 'describeServer',
      tag: 'server',
      summary: 'What this server is, and what its sandboxes can be asked for',
      responses: { 200: { description: 'The server', schema: schemas.server } },
      handle: async () => ({ status: 200, body: { ...server, lifecycle } }),
    }),
  ]
}
