import { type Guest, invalidArgument, isCode, type Principal, type Sandbox, type SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, everyPage, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { type CreateBody, checkTeam, createRequest, createSchema, named } from '../create-request.ts'
import { idParam, ok, once, paginated, teamPageQuery } from '../envelope.ts'
import { egressOf, egressUpdateSchema, LABELS, nameOf, networkOf, STATUSES, sandboxJson } from '../sandbox-json.ts'
import { specsOf, statsJson } from '../stats.ts'
import { mustBe } from '../status.ts'

const params = z.object({ id: idParam('sandbox') })
const LOOK_MS = 100
/** Nothing is kept for longer. */
const LONGEST_HOURS = 24 * 365
const SHOWN = 'Sandbox fetched'

export function sandboxRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/sandboxes',
      body: createSchema,
      handle: (call) =>
        once(api, call, async (by) => {
          const sandbox = await create(by, call.body)
          await prepare(sandbox)
          const shown = await sandboxJson(api, by, sandbox)
          const { id, name, template, size, status, created_at, expires_at } = shown
          return ok({ id, name, template, size, status, created_at, expires_at }, 'Sandbox created', 201)
        }),
    }),
    route({
      method: 'GET',
      path: '/sandboxes',
      query: teamPageQuery.extend({ search: z.string().max(128).optional() }),
      handle: async ({ by, query }) => {
        const { search } = query
        checkTeam(by, query.teamId)
        const all = await everyPage((page) => api.sandboxes.list(by, {}, page))
        const found = all.filter((one) => search === undefined || one.id === search || nameOf(one).includes(search))
        const { data, ...counts } = paginated(found, query, (one) => sandboxJson(api, by, one))
        return ok({ data: await Promise.all(data), ...counts }, 'Sandboxes fetched')
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/:id',
      params,
      handle: async ({ by, params: { id } }) => ok(await sandboxJson(api, by, await api.sandboxes.get(by, id)), SHOWN),
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
          const over = status === query.status || status === 'failed'
          // Clients wait on, and would ask again at once, for as long as they have patience.
          if (status === 'destroyed' && query.status !== status) await mustBe(api, by, id, 'ready', 'be waited for')
          if (over || Date.now() >= until || signal.aborted) return ok(await sandboxJson(api, by, sandbox), SHOWN)
          await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
        }
      },
    }),
    route({
      method: 'DELETE',
      path: '/sandboxes/:id',
      params,
      handle: (call) =>
        once(api, call, async (by) => {
          const { id } = call.params
          try {
            await api.sandboxes.kill(by, id)
          } catch (error) {
            // One that is destroyed already still has its record; what was never there has none.
            if (!isCode(error, 'not_found')) throw error
            await api.sandboxes.get(by, id)
          }
          return { status: 204 }
        }),
    }),
    route({
      method: 'PUT',
      path: '/sandboxes/:id/egress',
      params,
      body: egressUpdateSchema,
      handle: async ({ by, params: { id }, body }) => {
        const before = await mustBe(api, by, id, 'ready', 'have their egress changed')
        const { [LABELS.egress]: _, ...labels } = before.labels
        const sandbox = await api.sandboxes.update(by, id, { network: networkOf(body), labels })
        const changed = JSON.stringify(egressOf(before)) !== JSON.stringify(egressOf(sandbox))
        const shown = await sandboxJson(api, by, sandbox)
        return ok(changed ? { ...shown, network_updated: true } : shown, 'Sandbox egress updated')
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/:id/stats',
      params,
      query: z.object({
        hoursAgo: z.coerce
          .number()
          .int()
          .min(1)
          .default(1)
          .transform((hours) => Math.min(hours, LONGEST_HOURS)),
      }),
      handle: async ({ by, params: { id }, query }) => {
        const from = new Date(Date.now() - query.hoursAgo * 3_600_000)
        const { resources } = await api.sandboxes.get(by, id)
        const samples = await api.sandboxes.metrics(by, id, { from })
        return ok(statsJson(samples, specsOf(resources)), 'Sandbox stats fetched')
      },
    }),
  ]

  /** Under its name if no living sandbox bears that, else with the name as its label. */
  async function create(by: Principal, body: CreateBody): Promise<Sandbox> {
    const request = await createRequest(api, by, body)
    try {
      return await (await api.sandboxes.create(by, request)).done
    } catch (error) {
      if (!isCode(error, 'name_taken') || request.name === undefined) throw error
      const another = { ...request, ...named(request.name, request.labels ?? {}, true) }
      return await (await api.sandboxes.create(by, another)).done
    }
  }

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
    if (!isCode(error, 'guest_error')) throw error
    // It may have come with the snapshot, or with the template.
    const isThere =
      error.context.errno === 'EEXIST' && (await guest.files.stat(path, { user: 'root' })).type === 'directory'
    if (isThere) return
    throw invalidArgument('mountPath', error.message)
  }
}
