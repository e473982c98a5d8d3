import { type AnyRoute, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../context.ts'
import { flag } from './flag.ts'
import { inside } from './inside.ts'
import { ok } from './process-routes.ts'

const params = z.object({ sandbox: z.string(), id: z.string().max(64) })

/** Watches of directories; what they see comes over a WebSocket, see sockets.ts. */
export function watchRoutes(context: DoorContext): AnyRoute[] {
  const { watches } = context
  return [
    route({
      method: 'POST',
      path: '/files/watch',
      params: params.pick({ sandbox: true }),
      body: z.object({
        path: z.string().min(1).max(4096),
        recursive: optional(z.boolean()),
        runAs: optional(z.string().max(256)),
      }),
      handle: async ({ by, params: { sandbox }, body }) => {
        const at = await inside(context, by, sandbox, body.runAs)
        const watch = await watches.start(at, body.path, body.recursive ?? false)
        return ok({ watch: watch.json(false) })
      },
    }),
    route({
      method: 'GET',
      path: '/files/watch/:id',
      params,
      query: z.object({ includeEvents: flag }),
      handle: async ({ params: { sandbox, id }, query }) =>
        ok({ watch: watches.get(sandbox, id).json(query.includeEvents ?? false) }),
    }),
    route({
      method: 'DELETE',
      path: '/files/watch/:id',
      params,
      handle: async ({ params: { sandbox, id } }) => {
        const watch = watches.get(sandbox, id)
        watch.stop()
        return ok({ watch: watch.json(false) })
      },
    }),
  ]
}
