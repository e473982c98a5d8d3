import type { Sandbox, SandboxState } from '@spawnpoint/core'

/** All that this protocol tells of a sandbox's state. */
export type ShownState = 'running' | 'paused'

/**
 * Each state as clients see it, those in between as what they come from; `null` for sandboxes that nobody was told of yet
 * or that are going. What has failed keeps its files and comes back at a connect, as what was paused without memory does.
 */
const SHOWN: { readonly [S in SandboxState]: ShownState | null } = {
  creating: null,
  running: 'running',
  snapshotting: 'running',
  pausing: 'running',
  stopping: 'running',
  rolling_back: 'running',
  paused: 'paused',
  stopped: 'paused',
  failed: 'paused',
  resuming: 'paused',
  starting: 'paused',
  killing: null,
  killed: null,
}

export function shownState({ state }: Pick<Sandbox, 'state'>): ShownState | null {
  return SHOWN[state]
}

export function statesShownAs(shown: readonly ShownState[]): SandboxState[] {
  return (Object.keys(SHOWN) as SandboxState[]).filter((state) => {
    const as = SHOWN[state]
    return as !== null && shown.includes(as)
  })
}
