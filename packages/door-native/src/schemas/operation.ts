import type { OperationKind, OperationState } from '@spawnpoint/core'
import { z } from 'zod'
import { pushed } from './archive.ts'
import { id, nullableTime, pageQuery, query, ref, time } from './common.ts'
import { component } from './registry.ts'

const kinds = [
  'image.build',
  'image.delete',
  'sandbox.create',
  'sandbox.pause',
  'sandbox.resume',
  'sandbox.stop',
  'sandbox.start',
  'sandbox.fork',
  'sandbox.rollback',
  'sandbox.kill',
  'snapshot.create',
  'snapshot.delete',
  'snapshot.check',
  'snapshot.drill',
  'archive.push',
  'archive.pull',
] as const satisfies readonly OperationKind[]
const states = ['open', 'done', 'failed'] as const satisfies readonly OperationState[]
export const operationKind = z.enum(kinds)
const operationState = z.enum(states)

export const operation = component(
  'Operation',
  z.object({
    id,
    kind: operationKind,
    state: operationState,
    phase: z.string(),
    sandboxId: id.nullable(),
    snapshotId: id.nullable(),
    imageId: id.nullable(),
    result: pushed.nullable().describe('Of `archive.push`, once it is done'),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    createdAt: time,
    endedAt: nullableTime,
  }),
)

export const operationChange = component(
  'OperationChange',
  z.object({
    operation,
    progress: z
      .object({ step: z.string(), fraction: z.number().nullable(), line: z.string().nullable() })
      .nullable()
      .describe('`fraction` is 0 to 1 where known'),
  }),
)

export const listOperationsQuery = z.strictObject({
  ...pageQuery,
  state: query.many(operationState, states.length).optional(),
  kind: query.many(operationKind, kinds.length).optional(),
  sandbox: ref.optional(),
})

export const event = component(
  'Event',
  z.object({
    seq: z.number().int().describe('Increasing number; usable as a cursor'),
    type: z.string().describe('What happened, past tense: `sandbox.paused`'),
    sandboxId: id.nullable(),
    snapshotId: id.nullable(),
    imageId: id.nullable(),
    data: z.record(z.string(), z.unknown()),
    at: time,
  }),
)

const cursor = z
  .union([z.literal('now'), query.integer(0, Number.MAX_SAFE_INTEGER)])
  .optional()
  .describe('Only events with a greater `seq`; `now` for only those to come')
const limit = query.integer(1, 500).optional().describe('How many items, 1 to 500; 50 if absent')

export const listEventsOfSandboxQuery = z.strictObject({ cursor, limit })
export const listEventsQuery = z.strictObject({ cursor, limit, sandbox: ref.optional() })
