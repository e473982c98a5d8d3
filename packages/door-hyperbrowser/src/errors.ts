import { type ErrorCode, isCode, type SpawnpointError } from '@spawnpoint/core'
import type { Refusal, RefusedByRouter } from '@spawnpoint/door-kit'

/** How each error of the core is said here. */
export const STATUSES: { readonly [C in ErrorCode]: number } = {
  invalid_argument: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  name_taken: 409,
  wrong_state: 409,
  operation_in_progress: 409,
  in_use: 409,
  incompatible: 409,
  capture_refused: 409,
  limit_exceeded: 400,
  quota_exceeded: 429,
  rate_limited: 429,
  disk_full: 507,
  stale_incarnation: 409,
  hook_failed: 409,
  timeout: 408,
  cancelled: 409,
  idempotency_mismatch: 409,
  payload_too_large: 413,
  guest_error: 400,
  guest_unresponsive: 504,
  process_not_found: 404,
  port_closed: 502,
  runtime_failed: 500,
  unavailable: 503,
  internal: 500,
  build_failed: 422,
  cursor_expired: 410,
}

const ERRNOS: Partial<Record<string, number>> = {
  ENOENT: 404,
  EEXIST: 409,
  // Of a process that has ended, or reads no more, and of what is no terminal any more
  EPIPE: 409,
  ENOTTY: 409,
  ENOSPC: 507,
  EDQUOT: 507,
}

const SAID: Partial<Record<string, string>> = {
  ENOENT: 'File not found',
  EPIPE: 'The process has exited, or has closed its stdin',
  ENOTTY: 'Not a terminal, or one that has ended',
}

/** What the vendor's clients look at besides the status. */
const CODES: Partial<Record<ErrorCode, string>> = {
  wrong_state: 'sandbox_not_running',
  stale_incarnation: 'sandbox_not_running',
  cursor_expired: 'replay_window_expired',
}

interface Said {
  message: string
  code?: string
}

export function refusal(error: SpawnpointError | RefusedByRouter): Refusal & { body: Said } {
  if (!('code' in error)) return { status: error.status, body: { message: error.message } }
  const status = statusOf(error)
  const headers = isCode(error, 'rate_limited')
    ? { headers: { 'retry-after': String(Math.max(1, Math.ceil(error.context.retryAfterMs / 1000))) } }
    : {}
  return { status, body: { message: messageOf(error), code: codeOf(error) }, ...headers }
}

function statusOf(error: SpawnpointError): number {
  if (!isCode(error, 'guest_error')) return STATUSES[error.code]
  return ERRNOS[error.context.errno] ?? STATUSES.guest_error
}

function codeOf(error: SpawnpointError): string {
  if (isCode(error, 'wrong_state') && error.context.resource !== 'sandbox') return error.code
  return CODES[error.code] ?? error.code
}

/** What the core calls otherwise than this protocol. */
const FIELDS: readonly [RegExp, string][] = [
  [/^resources\.cpus(?=:)/, 'vcpus'],
  [/^resources\.memoryBytes(?=:)/, 'memMiB'],
  [/^resources\.diskBytes(?=:)/, 'diskSizeMiB'],
  [/^timeout\.timeoutMs(?=:)/, 'timeoutMinutes'],
  [/^network\.allow(Domains)?(?=:)/, 'allowOut'],
  [/^network\.deny(?=:)/, 'denyOut'],
  [/^volumes(\.\d+\.path)?(?=:)/, 'mounts'],
]
const MIB = 2 ** 20

/** A message that begins with the core's name of its field, with the protocol's, and sizes in its unit. */
function fieldsSaid(message: string): string {
  const [known, name = ''] = FIELDS.find(([field]) => field.test(message)) ?? []
  if (known === undefined) return message
  const said = message.replace(known, name)
  return name.endsWith('MiB') ? said.replace(/\d+/g, (bytes) => String(Number(bytes) / MIB)) : said
}

function messageOf(error: SpawnpointError): string {
  if (isCode(error, 'invalid_argument') || isCode(error, 'limit_exceeded')) return fieldsSaid(error.message)
  if (isCode(error, 'wrong_state') && error.context.resource === 'sandbox') return 'Sandbox is not running'
  if (isCode(error, 'process_not_found')) return `Process not found: ${error.context.ref}`
  if (isCode(error, 'guest_error')) {
    const said = SAID[error.context.errno]
    return said === undefined ? error.message : `${said}: ${error.message}`
  }
  if (!isCode(error, 'not_found')) return error.message
  const { resource, ref } = error.context
  return resource === 'route' ? error.message : `${resource} not found: ${ref}`
}
