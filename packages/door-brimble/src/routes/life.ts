import type { SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { acknowledged, idParam, once } from '../envelope.ts'
import { mustBe } from '../status.ts'

const params = z.object({ id: idParam('sandbox') })

/** A pause here keeps the files and ends the processes: what the core calls stopping. */
export function lifeRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/sandboxes/:id/pause',
      params,
      handle: (call) =>
        once(api, call, async (by) => {
          const { id } = call.params
          // What an earlier request with this key has begun gets its outcome.
          if (!(await by.once?.begun)) await mustBe(api, by, id, 'ready', 'be paused')
          await (await api.sandboxes.stop(by, id)).done
          return acknowledged('Sandbox pause requested')
        }),
    }),
    route({
      method: 'POST',
      path: '/sandboxes/:id/resume',
      params,
      handle: (call) =>
        once(api, call, async (by) => {
          const { id } = call.params
          const begun = (await by.once?.begun) ?? null
          const sandbox = begun === null ? await mustBe(api, by, id, 'paused', 'be resumed') : null
          // One that was paused through another door has memory to go on from.
          const started = (sandbox === null ? begun?.kind === 'sandbox.resume' : sandbox.state === 'paused')
            ? api.sandboxes.resume(by, id)
            : api.sandboxes.start(by, id)
          await (await started).done
          return acknowledged('Sandbox resume requested')
        }),
    }),
  ]
}
