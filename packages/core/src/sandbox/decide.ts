import { SpawnpointError } from '../errors.ts'
import type { Operation, OperationKind, Sandbox, SandboxState, TimeoutPolicy } from '../model.ts'
import { nextState } from './lifecycle.ts'

/** What can be asked of a living sandbox. `use` is any call to the inside. */
export type SandboxRequest = 'snapshot' | 'fork' | 'pause' | 'resume' | 'stop' | 'start' | 'rollback' | 'kill' | 'use'

export type Decision =
  /** Claim the transition and begin. */
  | { do: 'run' }
  /** The same work is under way: share its outcome. */
  | { do: 'join'; operation: Operation }
  /** Already so. */
  | { do: 'ignore' }
  /** Bring it back by this request, then ask again. Only for `use`. */
  | { do: 'wake'; by: 'resume' | 'start' }
  /** Ask again when this operation has ended. */
  | { do: 'wait'; operation: Operation }
  | { do: 'deny'; error: SpawnpointError }

/** Lifecycle event that each request is, in the table's words. */
const EVENT: Record<Exclude<SandboxRequest, 'use'>, string> = {
  snapshot: 'snapshot',
  fork: 'snapshot',
  pause: 'pause',
  resume: 'resume',
  stop: 'stop',
  start: 'start',
  rollback: 'rollback',
  kill: 'kill',
}

/** States that a request only wants to reach: in one of them there is nothing to do. */
const ALREADY: Partial<Record<SandboxRequest, readonly SandboxState[]>> = {
  pause: ['paused'],
  resume: ['running', 'snapshotting'],
  stop: ['stopped'],
  start: ['running', 'snapshotting'],
}

/** States on the way to a new incarnation. */
export const ARRIVING: readonly SandboxState[] = ['creating', 'resuming', 'starting', 'rolling_back']

/** States on the way to rest, where a use of a sandbox with `autoResume` waits in order to wake it. */
const LEAVING: readonly SandboxState[] = ['pausing', 'stopping']

const WAKING: Partial<Record<SandboxState, 'resume' | 'start'>> = { paused: 'resume', stopped: 'start' }

/** What of a sandbox the decision depends on. */
export type Decided = Pick<Sandbox, 'id' | 'state'> & { timeout: Pick<TimeoutPolicy, 'autoResume'> }

/** Requests that share the outcome of the operation of the same kind. */
const JOINS: Partial<Record<SandboxRequest, OperationKind>> = {
  pause: 'sandbox.pause',
  resume: 'sandbox.resume',
  stop: 'sandbox.stop',
  start: 'sandbox.start',
  kill: 'sandbox.kill',
}

/** Operations that are done with the sandbox once it runs again. */
const LETS_GO: readonly OperationKind[] = ['snapshot.create', 'sandbox.fork']

/**
 * May this request go ahead? Pure: the answer depends on nothing but the arguments.
 *
 * - One operation at a time on a sandbox. Another request waits for it by default; with `whenBusy: 'reject'` it is told so
 *   (one snapshot in flight; a second one is refused or follows the first, as its caller likes).
 * - A request for what is under way joins it; a request for what is already so is ignored.
 * - `use` brings back what is paused or stopped, or waits until it is and then does, where the policy is `autoResume`.
 * - `kill` always gets through in the end: it waits for the operation under way, which then waits for the guest only a short
 *   while more. One that has let go of the sandbox (a snapshot that is being stored, a fork whose children come up) goes on
 *   beside it.
 */
export function decide(
  sandbox: Decided,
  open: Operation | null,
  request: SandboxRequest,
  whenBusy: 'wait' | 'reject' = 'wait',
): Decision {
  const { state } = sandbox
  if (state === 'killed') return deny(sandbox, request)
  if (request === 'use') return decideUse(sandbox, open)

  if (open !== null) {
    if (JOINS[request] === open.kind) return { do: 'join', operation: open }
    if (open.kind === 'sandbox.kill') return deny(sandbox, request)
    if (request === 'kill' && state === 'running' && LETS_GO.includes(open.kind)) return { do: 'run' }
    if (whenBusy === 'reject' && request !== 'kill') {
      return {
        do: 'deny',
        error: new SpawnpointError(
          'operation_in_progress',
          `The sandbox is busy: ${open.kind} is under way; retry when it has ended`,
          {
            resource: 'sandbox',
            id: sandbox.id,
            operation: open.id,
          },
        ),
      }
    }
    return { do: 'wait', operation: open }
  }
  if (ALREADY[request]?.includes(state)) return { do: 'ignore' }
  return nextState(state, EVENT[request]) === null ? deny(sandbox, request) : { do: 'run' }
}

/** Uses wait for a sandbox that is on its way to running. */
function decideUse(sandbox: Decided, open: Operation | null): Decision {
  const { state, timeout } = sandbox
  if (state === 'running' || state === 'snapshotting') return { do: 'run' }
  const wakes = timeout.autoResume
  if (open !== null) {
    if (ARRIVING.includes(state) || (wakes && LEAVING.includes(state))) return { do: 'wait', operation: open }
    return deny(sandbox, 'use')
  }
  const by = wakes ? WAKING[state] : undefined
  return by === undefined ? deny(sandbox, 'use') : { do: 'wake', by }
}

/**
 * What a sandbox in this state can be asked for, for those who show it to people. Empty on the way from one state to another, but
 * for `kill`, which waits; what is asked for may still be refused, since the state may have changed meanwhile.
 */
export function possibleRequests(state: SandboxState): Exclude<SandboxRequest, 'use'>[] {
  if (state === 'killed' || state === 'killing') return []
  const settled = nextState(state, EVENT.kill) !== null
  const requests = Object.keys(EVENT) as Exclude<SandboxRequest, 'use'>[]
  return requests.filter((request) => (settled ? nextState(state, EVENT[request]) !== null : request === 'kill'))
}

function deny(sandbox: Pick<Sandbox, 'id' | 'state'>, request: SandboxRequest): Decision {
  if (sandbox.state === 'killed') {
    return {
      do: 'deny',
      error: new SpawnpointError('not_found', `No such sandbox: ${sandbox.id}`, {
        resource: 'sandbox',
        ref: sandbox.id,
      }),
    }
  }
  return {
    do: 'deny',
    error: new SpawnpointError('wrong_state', `The sandbox is ${sandbox.state}; ${NEEDS[request]}`, {
      resource: 'sandbox',
      id: sandbox.id,
      state: sandbox.state,
      request,
    }),
  }
}

const NEEDS: Record<SandboxRequest, string> = {
  use: 'it must be running (resume or start it first)',
  snapshot: 'only a running sandbox can be snapshotted',
  fork: 'only a running sandbox can be forked',
  pause: 'only a running sandbox can be paused',
  resume: 'only a paused sandbox can be resumed',
  stop: 'only a running sandbox can be stopped',
  start: 'only a stopped or failed sandbox can be started',
  rollback: 'it cannot be rolled back now',
  kill: 'it cannot be killed now',
}
