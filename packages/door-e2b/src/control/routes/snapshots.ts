import { isCode, type PageRequest, type Principal, type Snapshot } from '@spawnpoint/core'
import { type AnyRoute, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { mustBe } from '../arrive.ts'
import type { DoorContext } from '../door-context.ts'
import { sandboxId } from '../ids.ts'
import { limit, nextToken, sandboxParams } from '../schemas.ts'
import { snapshotsJson, snapshotsNamed } from '../snapshots.ts'
import { DEFAULT_TAG, newName } from '../template-refs.ts'

const LIMIT = 100

export function snapshotRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/sandboxes/:id/snapshots',
      params: sandboxParams,
      body: z.object({ name: optional(z.string().min(1).max(256)), memory: optional(z.boolean()) }),
      handle: async (call) => {
        const name = call.body.name === undefined ? null : await newName(api, call.by, 'name', call.body.name)
        const { id } = await mustBe(api, call.by, sandboxId(call.params.id), 'running', 'snapshot')
        const started = await api.snapshots.create(call.by, id, {
          kind: call.body.memory === false ? 'filesystem' : 'memory',
          ...(name === null ? {} : { name: name.name, tag: name.tag ?? DEFAULT_TAG }),
        })
        const [json] = await snapshotsJson(api, call.by, [await started.done])
        return { status: 201, body: json }
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots',
      query: z.object({
        sandboxID: optional(z.string().max(160)),
        name: optional(z.string().min(1).max(256)),
        limit,
        nextToken,
      }),
      handle: async (call) => {
        const { name, sandboxID, limit: most = LIMIT, nextToken: after } = call.query
        const sandbox = sandboxID === undefined ? undefined : sandboxId(sandboxID)
        const page = await found(call.by, name, sandbox, { limit: most, after })
        return {
          status: 200,
          body: await snapshotsJson(api, call.by, page.items),
          headers: page.next === null ? {} : { 'x-next-token': page.next },
        }
      },
    }),
  ]

  async function found(by: Principal, name: string | undefined, sandbox: string | undefined, page: PageRequest) {
    try {
      return name === undefined
        ? await api.snapshots.list(by, { sandbox, states: ['ready'] }, page)
        : await snapshotsNamed(api, by, name, sandbox, page)
    } catch (error) {
      // A list of what belongs to something that is not there is empty.
      if (isCode(error, 'not_found')) return { items: [] as Snapshot[], next: null }
      throw error
    }
  }
}
