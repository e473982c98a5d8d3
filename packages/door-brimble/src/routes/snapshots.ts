import { type Principal, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { type AnyRoute, everyPage, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { checkTeam } from '../create-request.ts'
import { idParam, ok, once, paginated, teamPageQuery } from '../envelope.ts'
import { coreName } from '../names.ts'
import { snapshotJson } from '../sandbox-json.ts'
import { mustBe } from '../status.ts'

const params = z.object({ id: idParam('sandbox') })

export function snapshotRoutes(api: SpawnpointApi): AnyRoute[] {
  const list = async (by: Principal, query: z.output<typeof teamPageQuery>, sandbox?: string) => {
    checkTeam(by, query.teamId)
    const all = await everyPage((page) => api.snapshots.list(by, { sandbox }, page))
    const { data, ...counts } = paginated(all, query, (snapshot) => snapshotJson(api, by, snapshot))
    return ok({ data: await Promise.all(data), ...counts }, 'Snapshots fetched')
  }
  return [
    route({
      method: 'POST',
      path: '/sandboxes/:id/snapshots',
      params,
      body: z.object({ name: z.string().regex(/^[a-z0-9-]{1,40}$/, '1 to 40 lowercase letters, digits and hyphens') }),
      handle: (call) =>
        once(api, call, async (by) => {
          const { id } = call.params
          if (!(await by.once?.begun)) await mustBeFree(by, id)
          const started = await api.snapshots.create(by, id, {
            kind: 'filesystem',
            name: coreName(call.body.name),
            whenBusy: 'reject',
          })
          return ok(await snapshotJson(api, by, started.value), 'Snapshot creation started', 202)
        }),
    }),
    route({
      method: 'GET',
      path: '/sandboxes/:id/snapshots',
      params,
      query: teamPageQuery,
      handle: ({ by, query, params: { id } }) => list(by, query, id),
    }),
    route({
      method: 'GET',
      path: '/sandboxes/snapshots',
      query: teamPageQuery,
      handle: ({ by, query }) => list(by, query),
    }),
    route({
      method: 'DELETE',
      path: '/sandboxes/snapshots/:id',
      params: z.object({ id: idParam('snapshot') }),
      handle: (call) =>
        once(api, call, async (by) => {
          await api.snapshots.delete(by, call.params.id)
          return { status: 204 }
        }),
    }),
  ]

  /** Only a ready sandbox is snapshotted, and one snapshot at a time: a second one is refused, also while the first stores. */
  async function mustBeFree(by: Principal, id: string): Promise<void> {
    await mustBe(api, by, id, 'ready', 'be snapshotted')
    const filter = { sandbox: id, kinds: ['snapshot.create' as const], states: ['open' as const] }
    const [inFlight] = (await api.operations.list(by, filter, { limit: 1 })).items
    if (inFlight !== undefined) {
      const message = 'A snapshot of this sandbox is already in progress; wait until it is ready or failed'
      throw new SpawnpointError('operation_in_progress', message, { resource: 'sandbox', id, operation: inFlight.id })
    }
  }
}
