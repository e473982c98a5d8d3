/** Facts that go with each code the server sends. The server is the authority; unknown codes arrive as `internal`. */
export interface ErrorContexts {
  /** Request is malformed; `issues` name each bad field */
  invalid_argument: { issues: { path: string; message: string }[] }
  unauthenticated: Record<string, never>
  forbidden: { what: string }
  not_found: { resource: ResourceKind; ref: string }
  name_taken: { resource: ResourceKind; name: string }
  wrong_state: { resource: ResourceKind; id: string; state: string; request: string }
  operation_in_progress: { resource: ResourceKind; id: string; operation: string }
  in_use: { resource: ResourceKind; id: string; by: string[] }
  incompatible: { needs: string; has: string }
  capture_refused: { reason: string; culprits: { pid: number; what: string; path: string }[] }
  limit_exceeded: { limit: string; allowed: number; asked: number }
  /** A limit of the team: `used` is what it has, `asked` what it would take on top */
  quota_exceeded: { limit: string; allowed: number; used: number; asked: number }
  rate_limited: { retryAfterMs: number }
  disk_full: { freeBytes: number }
  stale_incarnation: { sandboxId: string }
  hook_failed: { hook: string; outcome: string }
  /** `step` is the number of the step of the recipe, or `finalize`; `images.log` says why */
  build_failed: { step: string; exitCode: number }
  timeout: { what: string; timeoutMs: number }
  cancelled: { what: string }
  idempotency_mismatch: { key: string }
  /** Events that followed the cursor are not kept any more: some were missed */
  cursor_expired: { cursor: number; keptAfter: number }
  payload_too_large: { limitBytes: number }
  /** `what` of the start of a program was wrong */
  guest_error: { errno: string; path?: string; what?: 'user' | 'cwd' | 'program' }
  guest_unresponsive: { sandboxId: string }
  process_not_found: { ref: string }
  port_closed: { port: number }
  runtime_failed: { step: string; detail: string }
  unavailable: { reason: string }
  internal: Record<string, never>
}

/** What only a client can meet. */
export interface ClientErrorContexts {
  /** No answer came: refused, reset, or cut off before its end */
  connection_failed: { url: string; attempts: number }
  /** What answered does not speak this API */
  bad_response: { url: string; status: number; excerpt: string }
  /** A command ended with another code than 0 and `check` was asked for */
  command_failed: { command: string; exitCode: number; signal: string | null; timedOut: boolean }
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
export type ServerErrorCode = keyof ErrorContexts
export type ErrorCode = ServerErrorCode | keyof ClientErrorContexts
type AllContexts = ErrorContexts & ClientErrorContexts

export interface ErrorDetails extends ErrorOptions {
  /** HTTP status; 0 where no response came */
  status?: number | undefined
}

/** Every failure of a call, except a caller's own cancellation, which rejects with the signal's reason. */
export class SpawnpointError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C
  readonly context: AllContexts[C]
  /** HTTP status; 0 where no response came */
  readonly status: number

  constructor(code: C, message: string, context: AllContexts[C], details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.name = new.target.name
    this.code = code
    this.context = context
    this.status = details.status ?? 0
  }
}

export class InvalidArgumentError extends SpawnpointError<
  'invalid_argument' | 'payload_too_large' | 'idempotency_mismatch' | 'cursor_expired'
> {}
export class AuthenticationError extends SpawnpointError<'unauthenticated'> {}
export class ForbiddenError extends SpawnpointError<'forbidden'> {}
/** The resource, or the process inside a sandbox, does not exist (or belongs to another team). */
export class NotFoundError extends SpawnpointError<'not_found' | 'process_not_found'> {}
/** The sandbox is paused, stopped, … or the life of it that the call was about has ended. */
export class WrongStateError extends SpawnpointError<'wrong_state' | 'stale_incarnation'> {}
/** Something else stands in the way: a taken name, other work under way, sandboxes that live on a snapshot. */
export class ConflictError extends SpawnpointError<'name_taken' | 'operation_in_progress' | 'in_use'> {}
/** The snapshot cannot be taken or not be started here; `context` says what of. */
export class SnapshotError extends SpawnpointError<'incompatible' | 'capture_refused' | 'hook_failed'> {}
/** A step of a recipe failed. */
export class BuildError extends SpawnpointError<'build_failed'> {}
export class LimitError extends SpawnpointError<'limit_exceeded' | 'disk_full'> {}
/** The team has reached one of its limits. */
export class QuotaError extends SpawnpointError<'quota_exceeded'> {}
export class RateLimitError extends SpawnpointError<'rate_limited'> {}
/** Time ran out, here or on the server. Work already begun may still go on. */
export class TimeoutError extends SpawnpointError<'timeout'> {}
export class CancelledError extends SpawnpointError<'cancelled'> {}
/** The guest's kernel said no: `context.errno` is `ENOENT`, `EACCES`, … */
export class GuestError extends SpawnpointError<'guest_error'> {}
export class PortClosedError extends SpawnpointError<'port_closed'> {}
/** Not the caller's fault; the server's log has the details. */
export class ServerError extends SpawnpointError<
  'runtime_failed' | 'guest_unresponsive' | 'unavailable' | 'internal' | 'bad_response'
> {}
export class ConnectionError extends SpawnpointError<'connection_failed'> {}

/** Carries everything a `CommandResult` has. */
export class CommandError extends SpawnpointError<'command_failed'> {
  readonly exitCode: number
  readonly signal: string | null
  readonly timedOut: boolean
  readonly stdout: string
  readonly stderr: string

  constructor(
    command: string,
    result: { exitCode: number; signal: string | null; timedOut: boolean; stdout: string; stderr: string },
  ) {
    const { exitCode, signal, timedOut } = result
    const how = timedOut ? 'ran out of time' : signal ? `was ended by ${signal}` : `exited with ${exitCode}`
    const said = result.stderr.trim().split('\n').at(-1)
    super('command_failed', `${command} ${how}${said ? `: ${said.slice(0, 300)}` : ''}`, {
      command,
      exitCode,
      signal,
      timedOut,
    })
    this.exitCode = exitCode
    this.signal = signal
    this.timedOut = timedOut
    this.stdout = result.stdout
    this.stderr = result.stderr
  }
}

const CLASSES = {
  invalid_argument: InvalidArgumentError,
  payload_too_large: InvalidArgumentError,
  idempotency_mismatch: InvalidArgumentError,
  cursor_expired: InvalidArgumentError,
  unauthenticated: AuthenticationError,
  forbidden: ForbiddenError,
  not_found: NotFoundError,
  process_not_found: NotFoundError,
  wrong_state: WrongStateError,
  stale_incarnation: WrongStateError,
  name_taken: ConflictError,
  operation_in_progress: ConflictError,
  in_use: ConflictError,
  incompatible: SnapshotError,
  capture_refused: SnapshotError,
  hook_failed: SnapshotError,
  build_failed: BuildError,
  limit_exceeded: LimitError,
  quota_exceeded: QuotaError,
  disk_full: LimitError,
  rate_limited: RateLimitError,
  timeout: TimeoutError,
  cancelled: CancelledError,
  guest_error: GuestError,
  port_closed: PortClosedError,
  runtime_failed: ServerError,
  guest_unresponsive: ServerError,
  unavailable: ServerError,
  internal: ServerError,
} as const satisfies { [C in ServerErrorCode]: unknown }

export const SERVER_ERROR_CODES = Object.keys(CLASSES) as ServerErrorCode[]

/** Makes the error that a server's code stands for; a code this version does not know becomes `internal`. */
export function errorFromServer(
  code: string,
  message: string,
  context: unknown,
  details: ErrorDetails = {},
): SpawnpointError {
  const known: ServerErrorCode = Object.hasOwn(CLASSES, code) ? (code as ServerErrorCode) : 'internal'
  const Class = CLASSES[known] as unknown as new (
    code: ServerErrorCode,
    message: string,
    context: unknown,
    details: ErrorDetails,
  ) => SpawnpointError
  return new Class(known, message, typeof context === 'object' && context !== null ? context : {}, details)
}
