import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'

export function storageRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/storage',
      operationId: 'storage',
      tag: 'usage',
      summary: 'What the team has in the store',
      description:
        'Measured in the background, every quarter of an hour or less often where it takes long. Data of files on disk, memory included; directories and the smallest of files are left out.',
      responses: { 200: { description: 'As last measured', schema: schemas.teamStorage } },
      handle: async ({ by }) => {
        const storage = await api.storage.get(by)
        return { status: 200, body: { storage: storage && { ...storage, at: storage.at.toISOString() } } }
      },
    }),
  ]
}
