import { notFound, type Principal, type Sandbox, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { shownState } from './states.ts'

/** A sandbox that changes its mind this often is not going to stay. */
const TRIES = 5

/** Of what is brought back by who says nothing of time. */
export const ARRIVAL_MS = 300_000

/**
 * The sandbox, running: brought back if it is paused, `cold` without its memory, and given at least this long to live if it
 * is not; with `null` what runs keeps its time. `resumed` says which it was.
 */
export async function arrive(
  api: SpawnpointApi,
  by: Principal,
  id: string,
  { timeoutMs: asked, cold }: { timeoutMs: number | null; cold: boolean },
): Promise<{ sandbox: Sandbox; resumed: boolean }> {
  const timeoutMs = asked ?? ARRIVAL_MS
  for (let tries = 0; tries < TRIES; tries += 1) {
    const sandbox = await living(api, by, id)
    switch (sandbox.state) {
      case 'running':
      case 'snapshotting':
      case 'rolling_back': {
        if (asked === null) return { sandbox, resumed: false }
        const extended = await api.sandboxes.update(by, id, { timeout: { timeoutMs }, extendOnly: true })
        // Its time may have been over in this very moment.
        if (extended.state === sandbox.state || extended.state === 'running')
          return { sandbox: extended, resumed: false }
        break
      }
      case 'pausing':
      case 'paused':
      case 'resuming':
        return { sandbox: await (await api.sandboxes.resume(by, id, { timeoutMs, cold })).done, resumed: true }
      default:
        return { sandbox: await (await api.sandboxes.start(by, id, { timeoutMs })).done, resumed: true }
    }
  }
  throw new SpawnpointError('wrong_state', 'The sandbox is being paused and resumed by others; try again', {
    resource: 'sandbox',
    id,
    state: 'pausing',
    request: 'connect',
  })
}

/** The sandbox unless it was killed, whose record stays for a while. Rejects `not_found`. */
export async function living(api: SpawnpointApi, by: Principal, id: string): Promise<Sandbox> {
  const sandbox = await api.sandboxes.get(by, id)
  if (sandbox.state === 'killed') throw notFound('sandbox', id)
  return sandbox
}

/** Ends a sandbox. One that is being ended is gone to whoever asks, so `not_found` here too. */
export async function end(api: SpawnpointApi, by: Principal, id: string): Promise<void> {
  const { state } = await living(api, by, id)
  if (state === 'killing') throw notFound('sandbox', id)
  await api.sandboxes.kill(by, id)
}

/** Rejects `wrong_state` unless it is shown as `wanted`. */
export async function mustBe(
  api: SpawnpointApi,
  by: Principal,
  id: string,
  wanted: 'running' | 'paused',
  request: string,
): Promise<Sandbox> {
  const sandbox = await living(api, by, id)
  const shown = shownState(sandbox)
  if (shown === wanted) return sandbox
  throw new SpawnpointError('wrong_state', `Sandbox ${id} is ${shown ?? sandbox.state}, not ${wanted}`, {
    resource: 'sandbox',
    id,
    state: sandbox.state,
    request,
  })
}
