import type { ImageState, SandboxState, SnapshotState } from 'spawnpoint'

type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'idle'

/** States that something passes through end in `ing` or `back`, see the core's tables; `running` is where it stays. */
const SETTLED: Partial<Record<SandboxState | SnapshotState | ImageState, Tone>> = {
  running: 'good',
  ready: 'good',
  paused: 'warn',
  stopped: 'idle',
  killed: 'idle',
  failed: 'bad',
  trashed: 'idle',
}

export function StateBadge({ state }: { state: SandboxState | SnapshotState | ImageState }) {
  return <span className={`badge ${SETTLED[state] ?? 'busy'}`}>{state.replaceAll('_', ' ')}</span>
}
