import type { ErrorCode, ErrorContexts, SpawnpointError } from '@spawnpoint/core'

/** An error in the words of RFC 9457, with a stable `code`. */
export interface Problem {
  type: string
  title: string
  status: number
  code: ErrorCode
  detail: string
  context: Record<string, unknown>
  requestId: string
}

interface Wording<C extends ErrorCode> {
  status: number | ((context: ErrorContexts[C]) => number)
  title: string
  /** For the documentation: what happened and what to do */
  meaning: string
  /** Whether the same request can succeed later */
  retry: boolean
}

/** How each error of the core is said in this door. */
export const WORDINGS: { readonly [C in ErrorCode]: Wording<C> } = {
  invalid_argument: {
    status: 400,
    title: 'Invalid request',
    meaning: 'The request is malformed. `issues` name each bad field.',
    retry: false,
  },
  unauthenticated: {
    status: 401,
    title: 'API key needed',
    meaning: 'The API key is missing, unknown or revoked.',
    retry: false,
  },
  forbidden: { status: 403, title: 'Forbidden', meaning: 'The API key does not allow this.', retry: false },
  not_found: {
    status: 404,
    title: 'Not found',
    meaning: 'There is no such resource, or it belongs to another team.',
    retry: false,
  },
  name_taken: {
    status: 409,
    title: 'Name taken',
    meaning: 'The name is taken by another live resource.',
    retry: false,
  },
  wrong_state: {
    status: 409,
    title: 'Wrong state',
    meaning: "The resource's state does not allow the request.",
    retry: false,
  },
  operation_in_progress: {
    status: 409,
    title: 'Operation in progress',
    meaning: 'Another operation on the same resource is under way. Try again after `Retry-After`.',
    retry: true,
  },
  in_use: { status: 409, title: 'In use', meaning: 'Live sandboxes still depend on the resource.', retry: false },
  incompatible: {
    status: 409,
    title: 'Incompatible',
    meaning: 'The snapshot needs something that this machine or runtime lacks.',
    retry: false,
  },
  capture_refused: {
    status: 422,
    title: 'Cannot be captured',
    meaning: 'The sandbox holds something the runtime cannot capture; `culprits` name process and file.',
    retry: false,
  },
  limit_exceeded: {
    status: 422,
    title: 'Limit exceeded',
    meaning: 'The request asks for more than is allowed.',
    retry: false,
  },
  quota_exceeded: {
    status: 429,
    title: 'Quota exceeded',
    meaning: 'The team has reached one of its limits: `used` is what it has, `asked` what it would take on top.',
    retry: true,
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    meaning: 'Too many requests. Try again after `Retry-After`.',
    retry: true,
  },
  disk_full: { status: 507, title: 'Disk full', meaning: "The server's disk is full.", retry: true },
  stale_incarnation: {
    status: 409,
    title: 'Sandbox was replaced',
    meaning: 'The life of the sandbox that the request was for has ended: rolled back, paused, stopped or died.',
    retry: true,
  },
  hook_failed: {
    status: 422,
    title: 'Hook failed',
    meaning: 'A hook inside the sandbox failed and the request said that it must not.',
    retry: false,
  },
  build_failed: {
    status: 422,
    title: 'Build failed',
    meaning: 'A step of the recipe failed; `GET /v1/images/{ref}/log` says why.',
    retry: false,
  },
  timeout: { status: 504, title: 'Timed out', meaning: 'The work took longer than allowed.', retry: true },
  cancelled: { status: 409, title: 'Cancelled', meaning: 'The work was cancelled.', retry: true },
  idempotency_mismatch: {
    status: 422,
    title: 'Idempotency key reused',
    meaning: 'The `Idempotency-Key` was used before for a different request.',
    retry: false,
  },
  cursor_expired: {
    status: 410,
    title: 'Cursor expired',
    meaning:
      'Events that followed the cursor are not kept any more, so some were missed. Look at the resources themselves and begin anew: at 0 for the oldest events that are kept, at `now` for what comes.',
    retry: false,
  },
  payload_too_large: {
    status: 413,
    title: 'Payload too large',
    meaning: 'The request body is larger than allowed.',
    retry: false,
  },
  guest_error: {
    status: (context) => GUEST_STATUS.get(context.errno) ?? 422,
    title: 'Refused inside the sandbox',
    meaning:
      'A file or process operation inside the sandbox failed; `errno` is its own. ENOENT answers 404, EEXIST 409, EACCES and EPERM 403, ENOSPC and EDQUOT 507, others 422.',
    retry: false,
  },
  guest_unresponsive: {
    status: 504,
    title: 'Sandbox does not answer',
    meaning: 'The agent in the sandbox broke its protocol or does not answer.',
    retry: true,
  },
  process_not_found: {
    status: 404,
    title: 'No such process',
    meaning: 'There is no such process in the sandbox.',
    retry: false,
  },
  port_closed: {
    status: 502,
    title: 'Port closed',
    meaning: 'No program in the sandbox answers on this port.',
    retry: true,
  },
  runtime_failed: {
    status: 500,
    title: 'Runtime failed',
    meaning: "The runtime or the host failed. Not the caller's fault; the operator's log has the details.",
    retry: true,
  },
  unavailable: { status: 503, title: 'Unavailable', meaning: 'The server cannot do this now.', retry: true },
  internal: {
    status: 500,
    title: 'Internal error',
    meaning: "The server failed. The operator's log has the details under the request id.",
    retry: true,
  },
}

/** A map and not an object: the name is the guest's own. */
const GUEST_STATUS = new Map([
  ['ENOENT', 404],
  ['EEXIST', 409],
  ['EACCES', 403],
  ['EPERM', 403],
  ['ENOSPC', 507],
  ['EDQUOT', 507],
])

export function statusOf<C extends ErrorCode>(error: SpawnpointError<C>): number {
  const status: Wording<C>['status'] = WORDINGS[error.code].status
  return typeof status === 'number' ? status : status(error.context)
}

/** `status` overrides the code's own where HTTP has a finer word. */
export function problemOf(error: SpawnpointError, requestId: string, status = statusOf(error)): Problem {
  return {
    type: `/v1/docs#error-${error.code}`,
    title: WORDINGS[error.code].title,
    status,
    code: error.code,
    detail: error.message,
    context: error.context as Record<string, unknown>,
    requestId,
  }
}

/** Seconds for `Retry-After`, or `null` where waiting is not the remedy. */
export function retryAfterSeconds(error: Pick<Problem, 'code' | 'context'>): number | null {
  if (error.code === 'operation_in_progress') return 1
  if (error.code !== 'rate_limited') return null
  const { retryAfterMs } = error.context as unknown as ErrorContexts['rate_limited']
  return Math.max(1, Math.ceil(retryAfterMs / 1000))
}
