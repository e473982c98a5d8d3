/**
 * Every error a user can meet, with the facts that go with it. A door owns an exhaustive map from `ErrorCode` to its
 * protocol, so a new code does not compile until every door has decided how to say it.
 */
export interface ErrorContexts {
  /** Request is malformed; `issues` name each bad field. */
  invalid_argument: { issues: { path: string; message: string }[] }
  unauthenticated: Record<string, never>
  forbidden: { what: string }
  not_found: { resource: ResourceKind; ref: string }
  /** Name is taken by another live resource. */
  name_taken: { resource: ResourceKind; name: string }
  /** The resource's state does not allow the request. */
  wrong_state: { resource: ResourceKind; id: string; state: string; request: string }
  /** Another operation on the same resource is under way. */
  operation_in_progress: { resource: ResourceKind; id: string; operation: string }
  /** The snapshot is still the source of live sandboxes. */
  in_use: { resource: ResourceKind; id: string; by: string[] }
  /** The snapshot needs something that this machine or runtime lacks. */
  incompatible: { needs: string; has: string }
  /** The sandbox holds something the runtime cannot capture: which process, which file. */
  capture_refused: { reason: string; culprits: { pid: number; what: string; path: string }[] }
  /** More than anybody may ask for here. */
  limit_exceeded: { limit: string; allowed: number; asked: number }
  /** A limit of the team: `used` is what it has, `asked` what it would take on top; `limit` as in `TeamLimits`. */
  quota_exceeded: { limit: string; allowed: number; used: number; asked: number }
  rate_limited: { retryAfterMs: number }
  disk_full: { freeBytes: number }
  /** The incarnation the caller held is gone: rolled back, paused, stopped or died. */
  stale_incarnation: { sandboxId: string }
  /** A hook inside the sandbox failed and the request said that it must not. */
  hook_failed: { hook: string; outcome: string }
  /** A step of a recipe failed; the log of its build says why. `step` is its number, or `finalize`. */
  build_failed: { step: string; exitCode: number }
  timeout: { what: string; timeoutMs: number }
  cancelled: { what: string }
  /** An idempotency key was used again for a different request. */
  idempotency_mismatch: { key: string }
  /** What followed this cursor is partly not kept any more; `keptAfter` is the earliest that misses nothing. */
  cursor_expired: { cursor: number; keptAfter: number }
  payload_too_large: { limitBytes: number }
  /** A file or process operation inside the sandbox failed; `errno` is the guest's own, `what` says what it is about. */
  guest_error: { errno: string; path?: string; what?: 'user' | 'cwd' | 'program' }
  /** The agent in the sandbox broke its protocol or does not answer. */
  guest_unresponsive: { sandboxId: string }
  process_not_found: { ref: string }
  port_closed: { port: number }
  /** The runtime or the host failed. Not the caller's fault; the operator's log has the details. */
  runtime_failed: { step: string; detail: string }
  unavailable: { reason: string }
  internal: Record<string, never>
}

export type ResourceKind =
  | 'image'
  | 'name'
  | 'blob'
  | 'sandbox'
  | 'snapshot'
  | 'operation'
  | 'key'
  | 'team'
  | 'process'
  | 'file'
  | 'schedule'
  | 'registry'
  | 'secret'
  | 'volume'
  | 'remote'
  | 'route'
export type ErrorCode = keyof ErrorContexts

export class SpawnpointError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'SpawnpointError'
  readonly code: C
  readonly context: ErrorContexts[C]

  constructor(code: C, message: string, context: ErrorContexts[C], options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.context = context
  }
}

/** Turns anything thrown into a `SpawnpointError`; what is not one becomes `internal` with the original as cause. */
export function toSpawnpointError(thrown: unknown): SpawnpointError {
  if (thrown instanceof SpawnpointError) return thrown
  return new SpawnpointError('internal', 'The server failed; its log has the details', {}, { cause: thrown })
}

export function isCode<C extends ErrorCode>(thrown: unknown, code: C): thrown is SpawnpointError<C> {
  return thrown instanceof SpawnpointError && thrown.code === code
}

export function notFound(resource: ResourceKind, ref: string): SpawnpointError<'not_found'> {
  const shown = ref.length > 80 ? `${ref.slice(0, 80)}…` : ref
  return new SpawnpointError('not_found', `No such ${resource}: ${shown}`, { resource, ref: shown })
}

export function invalidArgument(path: string, message: string): SpawnpointError<'invalid_argument'> {
  return new SpawnpointError('invalid_argument', `${path}: ${message}`, { issues: [{ path, message }] })
}
