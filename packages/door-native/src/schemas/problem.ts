import type { ErrorCode, ErrorContexts, ResourceKind } from '@spawnpoint/core'
import { z } from 'zod'
import { component } from './registry.ts'

/** All of them: one that is left out here does not compile. */
const RESOURCES = {
  image: 'image',
  name: 'name',
  blob: 'blob',
  sandbox: 'sandbox',
  snapshot: 'snapshot',
  operation: 'operation',
  key: 'key',
  team: 'team',
  process: 'process',
  file: 'file',
  schedule: 'schedule',
  registry: 'registry',
  secret: 'secret',
  volume: 'volume',
  remote: 'remote',
  route: 'route',
} as const satisfies { [K in ResourceKind]: K }
const resource = z.enum(RESOURCES)
const none = z.record(z.string(), z.never())
const text = z.string()
const number = z.number()

/** The facts that go with each error. */
export const errorContexts = {
  invalid_argument: z.object({ issues: z.array(z.object({ path: text, message: text })) }),
  unauthenticated: none,
  forbidden: z.object({ what: text }),
  not_found: z.object({ resource, ref: text }),
  name_taken: z.object({ resource, name: text }),
  wrong_state: z.object({ resource, id: text, state: text, request: text }),
  operation_in_progress: z.object({ resource, id: text, operation: text }),
  in_use: z.object({ resource, id: text, by: z.array(text) }),
  incompatible: z.object({ needs: text, has: text }),
  capture_refused: z.object({ reason: text, culprits: z.array(z.object({ pid: number, what: text, path: text })) }),
  limit_exceeded: z.object({ limit: text, allowed: number, asked: number }),
  quota_exceeded: z.object({ limit: text, allowed: number, used: number, asked: number }),
  rate_limited: z.object({ retryAfterMs: number }),
  disk_full: z.object({ freeBytes: number }),
  stale_incarnation: z.object({ sandboxId: text }),
  hook_failed: z.object({ hook: text, outcome: text }),
  build_failed: z.object({ step: text, exitCode: number }),
  timeout: z.object({ what: text, timeoutMs: number }),
  cancelled: z.object({ what: text }),
  idempotency_mismatch: z.object({ key: text }),
  cursor_expired: z.object({ cursor: number, keptAfter: number }),
  payload_too_large: z.object({ limitBytes: number }),
  guest_error: z.object({
    errno: text,
    path: text.exactOptional(),
    what: z.enum(['user', 'cwd', 'program']).exactOptional(),
  }),
  guest_unresponsive: z.object({ sandboxId: text }),
  process_not_found: z.object({ ref: text }),
  port_closed: z.object({ port: number }),
  runtime_failed: z.object({ step: text, detail: text }),
  unavailable: z.object({ reason: text }),
  internal: none,
} satisfies { [C in ErrorCode]: z.ZodType<ErrorContexts[C]> }

export const errorCodes = Object.keys(errorContexts) as ErrorCode[]

export const problem = component(
  'Problem',
  z.object({
    type: z.string().describe('Where the error is described'),
    title: z.string(),
    status: z.number().int(),
    code: z.enum(errorCodes).describe('Stable; decide by this'),
    detail: z.string().describe('For people'),
    context: z.record(z.string(), z.unknown()).describe('Facts; each code has its own, see `x-error-codes`'),
    requestId: z.string(),
  }),
  {
    description: 'Any error (RFC 9457)',
    examples: [
      {
        type: '/v1/docs#error-not_found',
        title: 'Not found',
        status: 404,
        code: 'not_found',
        detail: 'No such sandbox: build-1',
        context: { resource: 'sandbox', ref: 'build-1' },
        requestId: 'req-1',
      },
    ],
  },
)
