import { type ErrorCode, isCode, SpawnpointError } from '@spawnpoint/core'
import type { Refusal, RefusedByRouter } from '@spawnpoint/door-kit'

type Said = readonly [status: number, error: string]

/** How each error of the core is said here: the status, and the word that clients tell kinds apart by. */
const SAID: { readonly [C in ErrorCode]: Said } = {
  invalid_argument: [422, 'ValidationError'],
  unauthenticated: [401, 'Unauthorized'],
  forbidden: [403, 'Forbidden'],
  not_found: [404, 'NotFound'],
  name_taken: [409, 'AlreadyExists'],
  wrong_state: [400, 'InvalidRequest'],
  operation_in_progress: [409, 'Conflict'],
  in_use: [400, 'ResourceInUse'],
  incompatible: [400, 'NotSupported'],
  capture_refused: [400, 'CaptureRefused'],
  limit_exceeded: [429, 'QuotaExceeded'],
  quota_exceeded: [429, 'QuotaExceeded'],
  rate_limited: [429, 'RateLimited'],
  disk_full: [503, 'StorageFull'],
  stale_incarnation: [409, 'Conflict'],
  hook_failed: [400, 'HookFailed'],
  build_failed: [400, 'BuildFailed'],
  timeout: [408, 'Timeout'],
  cancelled: [400, 'Cancelled'],
  idempotency_mismatch: [400, 'InvalidRequest'],
  payload_too_large: [413, 'PayloadTooLarge'],
  guest_error: [400, 'OperationError'],
  guest_unresponsive: [502, 'ConnectionError'],
  process_not_found: [404, 'CommandNotFound'],
  port_closed: [502, 'ConnectionError'],
  runtime_failed: [500, 'InternalError'],
  unavailable: [503, 'ServiceUnavailable'],
  internal: [500, 'InternalError'],
  cursor_expired: [400, 'InvalidRequest'],
}

/** Clients of a file or a command look for these, whatever the status is. */
const OPERATIONS: Record<string, string> = {
  execute: 'CommandError',
  upload: 'WriteError',
  download: 'ReadError',
  glob: 'ReadError',
  grep: 'ReadError',
}

/** What the core calls otherwise than this protocol. */
const FIELDS: Record<string, string> = {
  'resources.cpus': 'vcpus',
  'resources.memoryBytes': 'mem_bytes',
  'resources.diskBytes': 'fs_capacity_bytes',
  'source.reference': 'docker_image',
  'timeout.idleTimeoutMs': 'idle_ttl_seconds',
  'timeout.deleteAfterMs': 'delete_after_stop_seconds',
  'tags.0': 'tag',
  env: 'env_vars',
}

const DATA_CALL = /\/v2\/sandboxes\/[^/?]+\/(execute|upload|download|glob|grep)(?:[/?]|$)/

const DOWNLOAD_LINK = /\/v2\/sandboxes\/downloads(?:\?|$)/

/** `url` as the client asked for it: what is done inside a sandbox is refused in words of its own. */
export function refusal(error: SpawnpointError | RefusedByRouter, url: string): Refusal {
  if (!('code' in error)) return said([error.status, routerError(error.status)], error.message)
  const call = DATA_CALL.exec(url)?.[1] ?? (DOWNLOAD_LINK.test(url) ? 'download' : undefined)
  const issues = issuesOf(error)
  // Clients of the inside do not look for lists.
  if (issues !== null && call === undefined) return { status: 422, body: { detail: issues } }
  const refused = said(wordsFor(error, call), error.message)
  if (!isCode(error, 'rate_limited')) return refused
  const seconds = Math.max(1, Math.ceil(error.context.retryAfterMs / 1000))
  return { ...refused, headers: { 'retry-after': String(seconds) } }
}

function wordsFor(error: SpawnpointError, call: string | undefined): Said {
  const usual = SAID[error.code]
  if (call === undefined) return usual
  if (isCode(error, 'wrong_state') || isCode(error, 'stale_incarnation')) return [400, 'NotReady']
  if (isCode(error, 'invalid_argument') || (isCode(error, 'timeout') && call === 'execute'))
    return [usual[0], OPERATIONS[call] ?? usual[1]]
  if (!isCode(error, 'guest_error')) return usual
  const { errno, what } = error.context
  const isAbsent = errno === 'ENOENT' || (errno === 'ENOTDIR' && call !== 'upload')
  if (what === undefined && isAbsent) return [404, 'FileNotFound']
  return [errno === 'EACCES' || errno === 'EPERM' ? 403 : 400, OPERATIONS[call] ?? usual[1]]
}

function issuesOf(error: SpawnpointError) {
  if (isCode(error, 'invalid_argument')) return error.context.issues.map(({ path, message }) => issue(path, message))
  // More than this server gives to anybody is a bad value, not a used-up quota.
  if (!isCode(error, 'limit_exceeded') || !error.context.limit.startsWith('resources.')) return null
  const { limit } = error.context
  return [issue(limit, error.message.replace(`${limit}: `, ''))]
}

function issue(path: string, message: string) {
  const at = /^(body|query|path)(\.|$)/.test(path) ? path : `body.${FIELDS[path] ?? path}`
  return { loc: at.split('.'), msg: `${at}: ${message}`, type: 'value_error' }
}

function said([status, error]: Said, message: string): Refusal {
  return { status, body: { detail: { error, message } } }
}

function routerError(status: number): string {
  return { 404: 'NotFound', 409: 'Conflict', 413: 'PayloadTooLarge', 422: 'CrashLoop' }[status] ?? 'InvalidRequest'
}

/** What the protocol rules out because of something else that was asked for; a state of its own, not of the core. */
export function conflict(message: string): Error {
  return Object.assign(new Error(message), { statusCode: 409 })
}

/** What was asked for is well, and did not come up: clients know that from a bad value by its shape. */
export function creationFailed(message: string): Error {
  return Object.assign(new Error(message), { statusCode: 422 })
}

/** Of the protocol, but not of this server. */
export function unsupported(what: string): SpawnpointError<'incompatible'> {
  return new SpawnpointError('incompatible', `${what}: this server does not support it`, { needs: what, has: '' })
}
