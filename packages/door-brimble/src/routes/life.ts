import { type Principal, type Sandbox, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { type AnyRoute, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { acknowledged, idParam } from '../envelope.ts'
import { STATUSES } from '../sandbox-json.ts'

const params = z.object({ id: idParam('sandbox') })

/** A pause here keeps the files and ends the processes: what the core calls stopping. */
export function lifeRoutes(api: SpawnpointApi): AnyRoute[] {
  const mustBe = async (by: Principal, id: string, status: string, verb: string): Promise<Sandbox> => {
    const sandbox = await api.sandboxes.get(by, id)
    const is = STATUSES[sandbox.state]
    if (is === status) return sandbox
    throw new SpawnpointError('wrong_state', `Sandbox is ${is}; only ${status} sandboxes can be ${verb}`, {
      resource: 'sandbox',
      id,
      state: sandbox.state,
      request: verb,
    })
  }
  return [
    route({
      method: 'POST',
      path: '/sandboxes/:id/pause',
      params,
      handle: async ({ by, params: { id } }) => {
        await mustBe(by, id, 'ready', 'paused')
        await (await api.sandboxes.stop(by, id)).done
        return acknowledged('Sandbox pause requested')
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/:id/resume',
      params,
      handle: async ({ by, params: { id } }) => {
        const sandbox = await mustBe(by, id, 'paused', 'resumed')
        // One that was paused through another door has memory to go on from.
        const started = sandbox.state === 'paused' ? api.sandboxes.resume(by, id) : api.sandboxes.start(by, id)
        await (await started).done
        return acknowledged('Sandbox resume requested')
      },
    }),
  ]
}
