import { type ErrorCode, type Principal, type Sandbox, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { type AnyRoute, route } from '@spawnpoint/door-kit'
import { boxJson } from '../box-json.ts'
import { find } from '../find-box.ts'
import { keepsNothing, startAnew } from '../reach-box.ts'
import { boxStatus } from '../states.ts'
import { boxParams } from './boxes.ts'

/** Milliseconds that processes have to end by themselves */
const GRACE_MS = 5_000
/** Why memory cannot be kept though the sandbox is well enough to be stopped. */
const IN_THE_WAY = new Set<ErrorCode>([
  'capture_refused',
  'guest_unresponsive',
  'guest_error',
  'disk_full',
  'runtime_failed',
])

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
        const { id, state, labels } = await mustBe(by, params.name, ['stopped', 'failed'], 'started')
        if (keepsNothing({ labels }))
          return { status: 202, body: await boxJson(api, by, await startAnew(api, by, { id }), request.raw) }
        const started = state === 'paused' ? api.sandboxes.resume(by, id) : api.sandboxes.start(by, id)
        return { status: 202, body: await boxJson(api, by, await (await started).done, request.raw) }
      },
    }),
    route({
      method: 'POST',
      path: '/boxes/:name/stop',
      params: boxParams,
      handle: async ({ by, params }) => {
        const { id, timeout, labels } = await mustBe(by, params.name, ['ready'], 'stopped')
        if (keepsNothing({ labels })) await (await api.sandboxes.stop(by, id)).done
        else if (timeout.onTimeout === 'pause') await (await api.sandboxes.pause(by, id)).done
        else await stop(by, id)
        return { status: 204 }
      },
    }),
  ]

  /**
   * Processes end, and what files there are in memory rests with the others: here /tmp is there again after a stop. Where that
   * cannot be, the files on disk are kept.
   */
  async function stop(by: Principal, id: string): Promise<void> {
    try {
      const { guest } = await api.sandboxes.guest(by, id)
      await guest.shutdown(GRACE_MS)
      await (await api.sandboxes.pause(by, id)).done
    } catch (error) {
      if (!(error instanceof SpawnpointError) || !IN_THE_WAY.has(error.code)) throw error
      await (await api.sandboxes.stop(by, id)).done
    }
  }
}
