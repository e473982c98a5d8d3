import { type AnyRoute, type Method, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { living } from '../arrive.ts'
import type { DoorContext } from '../door-context.ts'
import { sandboxId } from '../ids.ts'
import { sandboxParams } from '../schemas.ts'

/** The caller's team, and logs, of which there are none: output of programs goes to who follows them. */
export function accountRoutes({ api }: DoorContext): AnyRoute[] {
  const logs = (path: string, none: object) =>
    route({
      method: 'GET',
      path,
      params: sandboxParams,
      handle: async (call) => {
        await living(api, call.by, sandboxId(call.params.id))
        return { status: 200, body: none }
      },
    })

  return [
    logs('/sandboxes/:id/logs', { logs: [], logEntries: [] }),
    logs('/v2/sandboxes/:id/logs', { logs: [] }),
    route({
      method: 'GET',
      path: '/teams',
      handle: async (call) => {
        const { id, name } = await api.keys.team(call.by)
        // The key is not given back: only its hash is kept.
        return { status: 200, body: [{ teamID: id, name, apiKey: '', isDefault: true }] }
      },
    }),
  ]
}

const ABSENT: readonly (readonly [string, string, readonly Method[]])[] = [
  ['/volumes', 'Volumes', ['GET', 'POST']],
  ['/volumes/:id', 'Volumes', ['GET', 'PATCH', 'DELETE']],
  ['/sandboxes/:id/volume-mounts', 'Volumes', ['POST', 'DELETE']],
  ['/secrets', 'Secrets', ['GET', 'POST']],
  ['/secrets/:id', 'Secrets', ['GET', 'POST', 'PUT', 'DELETE']],
  ['/teams/:id/metrics', 'Metrics of a team', ['GET']],
  ['/teams/:id/metrics/max', 'Metrics of a team', ['GET']],
  ['/sandboxes/:id/hotplug-memory', 'Memory added while a sandbox runs', ['POST']],
]

/** What the clients can ask for and this server does not have: said so, instead of that there is no such call. */
export function absentRoutes(): AnyRoute[] {
  return ABSENT.flatMap(([path, what, methods]) =>
    methods.map((method) =>
      route({
        method,
        path,
        params: z.unknown(),
        body: z.unknown(),
        handle: async () => ({
          status: 501,
          body: { code: 501, message: `${what}: not supported by this server` },
        }),
      }),
    ),
  )
}
