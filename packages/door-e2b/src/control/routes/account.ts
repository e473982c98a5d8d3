import { type AnyRoute, type Method, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { living } from '../arrive.ts'
import type { DoorContext } from '../door-context.ts'
import { sandboxId } from '../ids.ts'
import { sandboxLogs } from '../sandbox-logs.ts'
import { sandboxParams } from '../schemas.ts'

const LOGS = 1_000
/** Milliseconds since 1970 */
const moment = optional(z.coerce.number().int().nonnegative())
const count = optional(z.coerce.number().int().nonnegative().max(LOGS))

/** The caller's team, and logs of its sandboxes. */
export function accountRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/sandboxes/:id/logs',
      params: sandboxParams,
      query: z.object({ start: moment, limit: count }),
      handle: async (call) => {
        const { start = 0, limit = LOGS } = call.query
        const all = await sandboxLogs(api, call.by, await living(api, call.by, sandboxId(call.params.id)))
        const entries = all.filter(({ timestamp }) => Date.parse(timestamp) >= start).slice(0, limit)
        const logs = entries.map((entry) => ({ timestamp: entry.timestamp, line: JSON.stringify(entry) }))
        return { status: 200, body: { logs, logEntries: entries } }
      },
    }),
    route({
      method: 'GET',
      path: '/v2/sandboxes/:id/logs',
      params: sandboxParams,
      query: z.object({
        cursor: moment,
        limit: count,
        direction: optional(z.enum(['forward', 'backward'])),
        level: optional(z.enum(['debug', 'info', 'warn', 'error'])),
        search: optional(z.string().max(1024)),
      }),
      handle: async (call) => {
        const { cursor, limit = LOGS, direction = 'forward', level, search = '' } = call.query
        const all = await sandboxLogs(api, call.by, await living(api, call.by, sandboxId(call.params.id)))
        const forward = direction === 'forward'
        const logs = (forward ? all : all.toReversed()).filter(
          (entry) =>
            (cursor === undefined || Date.parse(entry.timestamp) >= cursor === forward) &&
            // The least that is asked for: of ours, `warn` and `error` are the same.
            (entry.level === 'error' || level === undefined || level === 'debug' || level === 'info') &&
            entry.message.includes(search),
        )
        return { status: 200, body: { logs: logs.slice(0, limit) } }
      },
    }),
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
  ['/sandboxes/:id/volume-mounts', 'Volumes of a sandbox that runs', ['POST', 'DELETE']],
  ['/teams/:id/metrics', 'Metrics of a team', ['GET']],
  ['/teams/:id/metrics/max', 'Metrics of a team', ['GET']],
  ['/sandboxes/:id/hotplug-memory', 'Memory added while a sandbox runs', ['POST']],
]

/** What the clients can ask for and this server does not have: said so, instead of that there is no such call. */
export function absentRoutes({ api }: DoorContext): AnyRoute[] {
  return ABSENT.flatMap(([path, what, methods]) =>
    methods.map((method) =>
      route({
        method,
        path,
        params: z.object({ id: z.string().max(160) }),
        body: z.unknown(),
        handle: async ({ by, params: { id } }) => {
          if (path.startsWith('/sandboxes/')) await living(api, by, sandboxId(id))
          return { status: 501, body: { code: 501, message: `${what}: not supported by this server` } }
        },
      }),
    ),
  )
}
