import { type ErrorCode, isCode, type SpawnpointError } from '@spawnpoint/core'
import type { Refusal, RefusedByRouter } from '@spawnpoint/door-kit'

/** How each error of the core is said here. There is no 409: what a state does not allow is a bad request. */
export const STATUSES: { readonly [C in ErrorCode]: number } = {
  invalid_argument: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  name_taken: 400,
  wrong_state: 400,
  operation_in_progress: 400,
  in_use: 400,
  incompatible: 400,
  capture_refused: 400,
  limit_exceeded: 403,
  // As its own plans' caps.
  quota_exceeded: 403,
  rate_limited: 429,
  disk_full: 503,
  stale_incarnation: 400,
  hook_failed: 400,
  build_failed: 400,
  timeout: 504,
  cancelled: 400,
  idempotency_mismatch: 400,
  payload_too_large: 413,
  guest_error: 400,
  guest_unresponsive: 503,
  process_not_found: 404,
  port_closed: 400,
  runtime_failed: 503,
  unavailable: 503,
  internal: 500,
  cursor_expired: 400,
}

const NOUNS: Partial<Record<string, string>> = {
  sandbox: 'Sandbox',
  snapshot: 'Snapshot',
  image: 'Template',
  volume: 'Volume',
}

export function refusal(error: SpawnpointError | RefusedByRouter): Refusal {
  if (!('code' in error)) return { status: error.status, body: { message: error.message } }
  const headers = isCode(error, 'rate_limited')
    ? { 'retry-after': String(Math.max(1, Math.ceil(error.context.retryAfterMs / 1000))) }
    : undefined
  return {
    status: statusOf(error),
    body: { message: messageOf(error) },
    ...(headers === undefined ? {} : { headers }),
  }
}

function statusOf(error: SpawnpointError): number {
  if (!isCode(error, 'guest_error')) return STATUSES[error.code]
  return { EACCES: 403, EPERM: 403, ENOENT: 404 }[error.context.errno] ?? STATUSES.guest_error
}

function messageOf(error: SpawnpointError): string {
  if (isCode(error, 'in_use') && error.context.resource === 'volume')
    return 'Volume is attached; detach it before deleting'
  if (!isCode(error, 'not_found')) return error.message
  const noun = NOUNS[error.context.resource]
  return noun === undefined ? error.message : `${noun} not found`
}
