import { isCode, type Principal, type Sandbox, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { STATUSES } from './sandbox-json.ts'

/** The sandbox, if it is as it must be. `what`: "paused" of "only ready sandboxes can be paused". */
export async function mustBe(
  api: SpawnpointApi,
  by: Principal,
  id: string,
  status: 'ready' | 'paused',
  what: string,
): Promise<Sandbox> {
  const sandbox = await api.sandboxes.get(by, id)
  const is = STATUSES[sandbox.state]
  if (is === status) return sandbox
  throw new SpawnpointError('wrong_state', `Sandbox is ${is}; only ${status} sandboxes can ${what}`, {
    resource: 'sandbox',
    id,
    state: sandbox.state,
    request: what,
  })
}

/** The inside of a sandbox. One that is not ready, or was destroyed, says so as everywhere here. */
export async function guestOf(api: SpawnpointApi, by: Principal, id: string, what: string) {
  try {
    return (await api.sandboxes.guest(by, id)).guest
  } catch (error) {
    if (isCode(error, 'wrong_state') || isCode(error, 'not_found')) await mustBe(api, by, id, 'ready', what)
    throw error
  }
}
