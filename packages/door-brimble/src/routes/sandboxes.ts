import { type Guest, isCode, type Sandbox, type SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, everyPage, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { createRequest, createSchema } from '../create-request.ts'
import { idParam, ok, once, pageQuery, paginated } from '../envelope.ts'
import { egressSchema, LABELS, networkOf, STATUSES, sandboxJson } from '../sandbox-json.ts'
import { statsJson } from '../stats.ts'

const params = z.object({ id: idParam('sandbox') })
const LOOK_MS = 100

export function sandboxRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/sandboxes',
      body: createSchema,
      handle: (call) =>
        once(api, call, async (by) => {
          const { body } = call
          const sandbox = await (await api.sandboxes.create(by, await createRequest(api, by, body))).done
          await prepare(sandbox)
          const { id, name, template, status, created_at, expires_at } = await sandboxJson(api, by, sandbox)
          return ok({ id, name, template, status, created_at, expires_at }, 'Sandbox created', 201)
        }),
    }),
    route({
      method: 'GET',
      path: '/sandboxes',
      query: pageQuery.extend({ search: z.string().max(128).optional() }),
      handle: async ({ by, query }) => {
        const { search } = query
        const all = await everyPage((page) => api.sandboxes.list(by, {}, page))
        const found = all.filter(({ id, name }) => search === undefined || id === search || name?.includes(search))
        const page = paginated(found, query, (sandbox) => sandbox)
        return ok({ ...page, data: await Promise.all(page.data.map((one) => sandboxJson(api, by, one as Sandbox))) })
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/:id',
      params,
      handle: async ({ by, params: { id } }) => ok(await sandboxJson(api, by, await api.sandboxes.get(by, id))),
    }),
    route({
      method: 'GET',
      path: '/sandboxes/:id/wait',
      params,
      query: z.object({
        timeout: z.coerce.number().min(0).max(300).default(60),
        status: z.string().max(20).default('ready'),
      }),
      handle: async ({ by, params: { id }, query, signal }) => {
        const until = Date.now() + query.timeout * 1000
        for (;;) {
          const sandbox = await api.sandboxes.get(by, id)
          const status = STATUSES[sandbox.state]
          const over = status === query.status || status === 'failed' || status === 'destroyed'
          if (over || Date.now() >= until || signal.aborted) return ok(await sandboxJson(api, by, sandbox))
          await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
        }
      },
    }),
    route({
      method: 'DELETE',
      path: '/sandboxes/:id',
      params,
      handle: async ({ by, params: { id } }) => {
        try {
          await api.sandboxes.kill(by, id)
        } catch (error) {
          // One that is destroyed already still has its record; what was never there has none.
          if (!isCode(error, 'not_found')) throw error
          await api.sandboxes.get(by, id)
        }
        return { status: 204 }
      },
    }),
    route({
      method: 'PUT',
      path: '/sandboxes/:id/egress',
      params,
      body: egressSchema,
      handle: async ({ by, params: { id }, body }) => {
        const sandbox = await api.sandboxes.update(by, id, { network: networkOf(body) })
        return ok({ ...(await sandboxJson(api, by, sandbox)), network_updated: true }, 'Egress updated')
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/:id/stats',
      params,
      query: z.object({
        hoursAgo: z.coerce
          .number()
          .min(0.01)
          .max(24 * 30)
          .default(1),
      }),
      handle: async ({ by, params: { id }, query }) => {
        const from = new Date(Date.now() - query.hoursAgo * 3_600_000)
        return ok(statsJson(await api.sandboxes.metrics(by, id, { from })))
      },
    }),
  ]

  /** What a new sandbox gets on top. One that cannot have it all does not stay. */
  async function prepare({ id, teamId, labels }: Sandbox): Promise<void> {
    const by = { teamId, keyId: null }
    try {
      const mountPath = labels[LABELS.mountPath]
      if (mountPath !== undefined) await makeDir((await api.sandboxes.guest(by, id)).guest, mountPath)
    } catch (error) {
      await api.sandboxes.kill(by, id)
      throw error
    }
  }
}

async function makeDir(guest: Guest, path: string): Promise<void> {
  try {
    await guest.files.mkdir(path, { parents: true, user: 'root' })
  } catch (error) {
    // It came with the snapshot.
    if (!isCode(error, 'guest_error') || error.context.errno !== 'EEXIST') throw error
  }
}
