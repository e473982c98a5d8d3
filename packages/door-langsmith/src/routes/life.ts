import { type ErrorCode, type Principal, type Sandbox, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { type AnyRoute, type Log, route } from '@spawnpoint/door-kit'
import { boxJson } from '../box-json.ts'
import { find } from '../find-box.ts'
import { keepsNothing, startAnew } from '../reach-box.ts'
import { soon } from '../soon.ts'
import { boxStatus } from '../states.ts'
import { boxParams } from './boxes.ts'

/** Milliseconds that clients are let wait for the whole of it: some give up after ten seconds, and then ask how it is */
const ANSWER_MS = 8_000
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
export function lifeRoutes(api: SpawnpointApi, log: Log): AnyRoute[] {
  const stopping = new Map<string, Promise<void>>()
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
        // Who has stopped it, and was not let wait to the end, may start it right away.
        const ends = stopping.get((await find(api, by, params.name)).id)
        if (ends !== undefined) await soon(undefined, ends, ANSWER_MS)
        const found = await mustBe(by, params.name, ['stopped', 'failed'], 'started')
        const { value, done } = await start(by, found)
        return { status: 202, body: await boxJson(api, by, await soon(value, done, ANSWER_MS), request.raw) }
      },
    }),
    route({
      method: 'POST',
      path: '/boxes/:name/stop',
      params: boxParams,
      handle: async ({ by, params }) => {
        const found = await mustBe(by, params.name, ['ready'], 'stopped')
        const { id } = found
        const ends = stopping.get(id) ?? stop(by, found).finally(() => stopping.delete(id))
        stopping.set(id, ends)
        ends.catch((error: unknown) => log.warn({ err: error, sandbox: id }, 'a sandbox was not stopped'))
        await soon(undefined, ends, ANSWER_MS)
        return { status: 204 }
      },
    }),
  ]

  async function start(by: Principal, sandbox: Sandbox): Promise<{ value: Sandbox; done: Promise<Sandbox> }> {
    const { id, state } = sandbox
    if (keepsNothing(sandbox)) return { value: sandbox, done: startAnew(api, by, sandbox) }
    return state === 'paused' ? api.sandboxes.resume(by, id) : api.sandboxes.start(by, id)
  }

  async function stop(by: Principal, sandbox: Sandbox): Promise<void> {
    const { id, timeout } = sandbox
    if (keepsNothing(sandbox)) await (await api.sandboxes.stop(by, id)).done
    else if (timeout.onTimeout === 'pause') await (await api.sandboxes.pause(by, id)).done
    else await stopProcesses(by, id)
  }

  /**
   * Processes end, and what files there are in memory rests with the others: here /tmp is there again after a stop. Where that
   * cannot be, the files on disk are kept.
   */
  async function stopProcesses(by: Principal, id: string): Promise<void> {
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
