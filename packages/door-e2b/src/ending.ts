import type { SandboxId, SandboxState, SpawnpointApi } from '@spawnpoint/core'

/** States out of which a sandbox does not come to run by itself. */
export const AT_REST: ReadonlySet<SandboxState> = new Set([
  'pausing',
  'paused',
  'stopping',
  'stopped',
  'killing',
  'killed',
  'failed',
])

/** Says whether a sandbox is being brought to rest, or is there: what ends inside meanwhile has not ended by itself. */
export function endings({ sandboxes }: Pick<SpawnpointApi, 'sandboxes'>): (id: SandboxId) => Promise<boolean> {
  return async (id) => {
    const reached = await sandboxes.reach(id)
    return reached === null || AT_REST.has(reached.sandbox.state)
  }
}
