import { z } from 'zod'
import { id, nullableTime, pageQuery, ref, snapshotKind, time } from './common.ts'
import { component } from './registry.ts'

const cron = z
  .string()
  .min(9, 'Expected five fields, such as "0 * * * *"')
  .max(200)
  .describe('Five fields of cron: minute, hour, day of month, month, day of week')
const timeZone = z.string().min(1).max(64).describe('IANA name that the fields are meant in')
const count = z.number().int().min(1).max(10_000).nullable()

const keep = z.object({
  last: count.describe('The newest so many'),
  hourly: count.describe('The newest of each of so many hours that have any'),
  daily: count.describe('As `hourly`, of days'),
  weekly: count.describe('As `hourly`, of ISO weeks'),
  monthly: count.describe('As `hourly`, of months'),
})
/** Nothing is filled in: what is absent stays as it is. */
const keepChange = z.strictObject({
  last: count.exactOptional(),
  hourly: count.exactOptional(),
  daily: count.exactOptional(),
  weekly: count.exactOptional(),
  monthly: count.exactOptional(),
})

const made = {
  cron,
  timeZone: timeZone.optional().describe('IANA name; default UTC'),
  kind: snapshotKind.default('memory'),
  keep: keepChange.optional().describe('What of its snapshots stays; without numbers all do'),
  enabled: z.boolean().optional(),
}

export const newSandboxSchedule = component('NewSandboxSchedule', z.strictObject(made))

export const createScheduleBody = component(
  'CreateSchedule',
  z.strictObject({ sandbox: ref.describe('Id or name'), ...made }),
  { examples: [{ sandbox: 'worker', cron: '*/30 * * * *', kind: 'filesystem', keep: { last: 4, daily: 7 } }] },
)

export const updateScheduleBody = component(
  'UpdateSchedule',
  z.strictObject({
    cron: cron.optional(),
    timeZone: timeZone.optional(),
    kind: snapshotKind.optional(),
    keep: keepChange.optional(),
    enabled: z.boolean().optional(),
  }),
  { examples: [{ enabled: false }] },
)

export const listSchedulesQuery = z.strictObject({ ...pageQuery, sandbox: ref.optional() })

const tick = z.object({
  at: time,
  outcome: z.enum(['fired', 'skipped']),
  reason: z.string().nullable().describe('Why it was skipped'),
  snapshotId: id.nullable(),
})

export const schedule = component(
  'Schedule',
  z.object({
    id,
    sandboxId: id,
    cron,
    timeZone,
    kind: snapshotKind,
    keep,
    enabled: z.boolean(),
    createdAt: time,
    lastTick: tick.nullable().describe('The latest decision; earlier ones are events'),
    nextAt: nullableTime,
  }),
  {
    description:
      'Takes snapshots of a sandbox at set times. A tick fires only while the sandbox runs and no snapshot of it is in flight; one that was skipped or missed is not made up for.',
  },
)
