import { Code, ConnectError } from '@connectrpc/connect'
import { type ErrorCode, type SpawnpointError, toSpawnpointError } from '@spawnpoint/core'

/** What each error of the core is in the protocol of the agent. */
const CODES: { [C in ErrorCode]: Code } = {
  invalid_argument: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  forbidden: Code.PermissionDenied,
  // Of the sandbox: what is not found inside it is a `guest_error`.
  not_found: Code.Unavailable,
  wrong_state: Code.Unavailable,
  stale_incarnation: Code.Unavailable,
  guest_unresponsive: Code.Unavailable,
  unavailable: Code.Unavailable,
  operation_in_progress: Code.Aborted,
  name_taken: Code.AlreadyExists,
  in_use: Code.FailedPrecondition,
  incompatible: Code.FailedPrecondition,
  capture_refused: Code.FailedPrecondition,
  hook_failed: Code.FailedPrecondition,
  build_failed: Code.FailedPrecondition,
  idempotency_mismatch: Code.FailedPrecondition,
  limit_exceeded: Code.ResourceExhausted,
  quota_exceeded: Code.ResourceExhausted,
  rate_limited: Code.ResourceExhausted,
  // The clients take `resource_exhausted` for a rate limit, and only a plain HTTP 507 for a full disk.
  disk_full: Code.Internal,
  payload_too_large: Code.ResourceExhausted,
  cursor_expired: Code.OutOfRange,
  timeout: Code.DeadlineExceeded,
  cancelled: Code.Canceled,
  guest_error: Code.Internal,
  process_not_found: Code.NotFound,
  port_closed: Code.Unavailable,
  runtime_failed: Code.Internal,
  internal: Code.Internal,
}

const ERRNO_CODES: Record<string, Code> = {
  ENOENT: Code.NotFound,
  ESRCH: Code.NotFound,
  EEXIST: Code.AlreadyExists,
  ENOTDIR: Code.InvalidArgument,
  EISDIR: Code.InvalidArgument,
  EINVAL: Code.InvalidArgument,
  ENAMETOOLONG: Code.InvalidArgument,
  E2BIG: Code.InvalidArgument,
  ENOEXEC: Code.InvalidArgument,
  ELOOP: Code.FailedPrecondition,
  ENOTEMPTY: Code.FailedPrecondition,
  EBUSY: Code.FailedPrecondition,
  EACCES: Code.PermissionDenied,
  EPERM: Code.PermissionDenied,
  EROFS: Code.PermissionDenied,
  ENOSPC: Code.Internal,
  EDQUOT: Code.Internal,
  EMFILE: Code.ResourceExhausted,
  ENFILE: Code.ResourceExhausted,
  EAGAIN: Code.ResourceExhausted,
  EOVERFLOW: Code.DataLoss,
}

const NAME_MAX = 255

/** Anything thrown, in the words of the protocol. `user` is whom the request named. */
export function toConnectError(thrown: unknown, user?: string): ConnectError {
  if (thrown instanceof ConnectError) return thrown
  const error = toSpawnpointError(thrown)
  if (isGuestError(error)) return fromGuest(error, user)
  return new ConnectError(error.message, CODES[error.code], undefined, undefined, thrown)
}

function isGuestError(error: SpawnpointError): error is SpawnpointError<'guest_error'> {
  return error.code === 'guest_error'
}

function fromGuest(error: SpawnpointError<'guest_error'>, user: string | undefined): ConnectError {
  const { errno, path, what } = error.context
  if (what === 'user') return new ConnectError(`invalid username: '${user ?? ''}'`, Code.Unauthenticated)
  if (what === 'cwd' && errno === 'ENOENT')
    return new ConnectError(`cwd '${path ?? ''}' does not exist`, Code.InvalidArgument)
  // What gVisor says of an argument that is too long; of a program's own name it would be true.
  if (what === 'program' && errno === 'ENAMETOOLONG' && (path ?? '').length < NAME_MAX)
    return new ConnectError('error starting process: argument list too long', Code.InvalidArgument)
  if (what !== undefined) return new ConnectError(`error starting process: ${error.message}`, Code.InvalidArgument)
  return new ConnectError(error.message, ERRNO_CODES[errno] ?? Code.Internal, undefined, undefined, error)
}
