import type { SandboxState } from '../model.ts'

/**
 * The whole life of a sandbox.
 *
 *                         ┌────────────► failed ◄─── exited (out of memory, runtime died, host restarted)
 *                         │                │ start, roll back, kill
 *   creating ──ready──► running ◄──done── snapshotting            (snapshot and the capture of a fork)
 *      │                 ▲ │  ▲ └─────► pausing ──► paused ──► resuming ─┐
 *      │ fail            │ │  └──────────────────────────────────────────┤
 *      ▼                 │ └──────────► stopping ─► stopped ─► starting ─┤
 *    killed ◄─ killing   └──────────── rolling_back ◄────────────────────┘ (from running, paused, stopped, failed)
 *
 * - `creating` is left only for `running` or, undone, for `killed`: a sandbox nobody was told of leaves nothing behind.
 * - An in-between state (`…ing`) always has one open operation; a restart finishes or undoes it.
 * - `fail` of an in-between state goes back to where it came from, since each operation keeps the old state usable until
 *   the new one is; `exited` means that the incarnation was lost on the way.
 * - `killed` is the end. The row stays for history; names and references treat it as gone.
 */
export const LIFECYCLE = {
  creating: { ready: 'running', fail: 'killed' },
  running: {
    snapshot: 'snapshotting',
    pause: 'pausing',
    stop: 'stopping',
    rollback: 'rolling_back',
    kill: 'killing',
    exited: 'failed',
  },
  snapshotting: { done: 'running', fail: 'running', exited: 'failed' },
  pausing: { done: 'paused', fail: 'running', exited: 'failed' },
  paused: { resume: 'resuming', rollback: 'rolling_back', kill: 'killing' },
  resuming: { done: 'running', fail: 'paused' },
  stopping: { done: 'stopped', fail: 'running', exited: 'stopped' },
  stopped: { start: 'starting', rollback: 'rolling_back', kill: 'killing' },
  starting: { done: 'running', fail: 'stopped' },
  rolling_back: {
    done: 'running',
    failRunning: 'running',
    failPaused: 'paused',
    failStopped: 'stopped',
    failFailed: 'failed',
    exited: 'failed',
  },
  failed: { start: 'starting', rollback: 'rolling_back', kill: 'killing' },
  killing: { done: 'killed' },
  killed: {},
} as const satisfies { [S in SandboxState]: { readonly [E in string]?: SandboxState } }

export type LifecycleEvent = { [S in SandboxState]: keyof (typeof LIFECYCLE)[S] }[SandboxState] & string

/** States in which an incarnation runs user code or is being brought to. */
export const LIVING_STATES: readonly SandboxState[] = (Object.keys(LIFECYCLE) as SandboxState[]).filter(
  (state) => state !== 'killed',
)

/** The state after `event`, or `null` where the table has no such arrow. */
export function nextState(state: SandboxState, event: string): SandboxState | null {
  const row: Record<string, SandboxState | undefined> = LIFECYCLE[state]
  return Object.hasOwn(row, event) ? (row[event] ?? null) : null
}

/** As `nextState`, for arrows that must exist: a missing one is a defect of ours, not of the caller. */
export function mustMove(state: SandboxState, event: string): SandboxState {
  const next = nextState(state, event)
  if (next === null) throw new Error(`lifecycle: no arrow '${event}' out of '${state}'`)
  return next
}
