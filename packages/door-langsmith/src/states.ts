import type { Image, Sandbox, SandboxState, Snapshot } from '@spawnpoint/core'

type BoxStatus = 'provisioning' | 'ready' | 'stopped' | 'failed' | 'deleting'

const BOX_STATUSES: { readonly [S in SandboxState]: BoxStatus } = {
  creating: 'provisioning',
  running: 'ready',
  snapshotting: 'ready',
  pausing: 'ready',
  paused: 'stopped',
  resuming: 'provisioning',
  stopping: 'ready',
  stopped: 'stopped',
  starting: 'provisioning',
  rolling_back: 'provisioning',
  killing: 'deleting',
  killed: 'deleting',
  failed: 'failed',
}

/** One that never came up is gone for the core, but who polls for it must be told. */
export function boxStatus({ state, failure }: Sandbox): BoxStatus {
  return state === 'killed' && failure !== null ? 'failed' : BOX_STATUSES[state]
}

export function snapshotStatus({ state }: Image | Snapshot): 'building' | 'ready' | 'failed' | 'deleting' {
  if (state === 'creating') return 'building'
  return state === 'trashed' ? 'deleting' : state
}
