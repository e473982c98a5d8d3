import { type Principal, type Snapshot, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { type AnyRoute, everyPage, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { idParam, ok, once, pageQuery, paginated } from '../envelope.ts'
import { STATUSES, snapshotJson } from '../sandbox-json.ts'

const params = z.object({ id: idParam('sandbox') })

export function snapshotRoutes(api: SpawnpointApi): AnyRoute[] {
  const list = async (by: Principal, query: z.output<typeof pageQuery>, sandbox?: string) => {
    const all = await everyPage((page) => api.snapshots.list(by, { sandbox }, page))
    const page = paginated(all, query, (snapshot) => snapshot)
    return ok({ ...page, data: await Promise.all(page.data.map((one) => snapshotJson(api, by, one as Snapshot))) })
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
          await mustBeFree(by, id)
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
      query: pageQuery,
      handle: ({ by, query, params: { id } }) => list(by, query, id),
    }),
    route({
      method: 'GET',
      path: '/sandboxes/snapshots',
      query: pageQuery,
      handle: ({ by, query }) => list(by, query),
    }),
    route({
      method: 'DELETE',
      path: '/sandboxes/snapshots/:id',
      params: z.object({ id: idParam('snapshot') }),
      handle: async ({ by, params: { id } }) => {
        await api.snapshots.delete(by, id)
        return { status: 204 }
      },
    }),
  ]

  /** Only a ready sandbox is snapshotted, and one snapshot at a time: a second one is refused, also while the first stores. */
  async function mustBeFree(by: Principal, id: string): Promise<void> {
    const sandbox = await api.sandboxes.get(by, id)
    const status = STATUSES[sandbox.state]
    if (status !== 'ready') {
      const message = `Sandbox is ${status}; only ready sandboxes can be snapshotted`
      throw new SpawnpointError('wrong_state', message, {
        resource: 'sandbox',
        id,
        state: sandbox.state,
        request: 'snapshot',
      })
    }
    const filter = { sandbox: id, kinds: ['snapshot.create' as const], states: ['open' as const] }
    const [inFlight] = (await api.operations.list(by, filter, { limit: 1 })).items
    if (inFlight !== undefined) {
      const message = 'A snapshot of this sandbox is already in progress; wait until it is ready or failed'
      throw new SpawnpointError('operation_in_progress', message, { resource: 'sandbox', id, operation: inFlight.id })
    }
  }
}

/** Names of the core begin with a letter or digit and do not look like ids; the vendor's may be otherwise. */
function coreName(name: string): string {
  if (/^[0-9a-f]{24}$/.test(name) || name.startsWith('-'))
    throw new SpawnpointError('invalid_argument', 'name: begins with a letter or digit, and does not look like an id', {
      issues: [{ path: 'body.name', message: 'not a name' }],
    })
  return name
}
