import { type Principal, type Sandbox, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { type AnyRoute, route } from '@spawnpoint/door-kit'
import { boxJson } from '../box-json.ts'
import { boxStatus } from '../states.ts'
import { boxParams, find } from './boxes.ts'

/** Starting and stopping are refused where there is nothing to do, as this protocol has it. */
export function lifeRoutes(api: SpawnpointApi): AnyRoute[] {
  const mustBe = async (by: Principal, name: string, allowed: string[], verb: string): Promise<Sandbox> => {
    const sandbox = await find(api, by, name)
    const status = boxStatus(sandbox)
    if (allowed.includes(status) && sandbox.state !== 'killed') return sandbox
    throw new SpawnpointError('wrong_state', `Sandbox is ${status}; only ${allowed.join(' or ')} ones can be ${verb}`, {
      resource: 'sandbox',
      id: sandbox.id,
      state: sandbox.state,
      request: verb,
    })
  }
  return [
    route({
      method: 'POST',
      path: '/boxes/:name/start',
      params: boxParams,
      handle: async ({ by, params, request }) => {
        const { id, state } = await mustBe(by, params.name, ['stopped', 'failed'], 'started')
        const started = state === 'paused' ? api.sandboxes.resume(by, id) : api.sandboxes.start(by, id)
        return { status: 202, body: boxJson(await (await started).done, request.raw) }
      },
    }),
    route({
      method: 'POST',
      path: '/boxes/:name/stop',
      params: boxParams,
      handle: async ({ by, params }) => {
        const { id, timeout } = await mustBe(by, params.name, ['ready'], 'stopped')
        const stopped = timeout.onTimeout === 'pause' ? api.sandboxes.pause(by, id) : api.sandboxes.stop(by, id)
        await (await stopped).done
        return { status: 204 }
      },
    }),
  ]
}
