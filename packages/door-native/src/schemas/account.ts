import type { Scope } from '@spawnpoint/core'
import { z } from 'zod'
import { bytes, id, milliseconds, nullableTime, pageOf, pageQuery, query, ref, time } from './common.ts'
import { component } from './registry.ts'

// ---------------------------------------------------------------- keys

const scope = z
  .enum(['read', 'write', 'admin', 'server'] as const satisfies readonly Scope[])
  .describe(
    '`read`: look at everything, files in sandboxes included. `write`: that, and make, change, use and delete. `admin`: keys, settings of the team, its audit log. `server`: all teams, and their limits',
  )

export const apiKey = component(
  'ApiKey',
  z.object({
    id,
    name: z.string(),
    hint: z.string().describe('First characters of the key'),
    scopes: z.array(scope),
    member: z.string().nullable().describe('Whose it is'),
    createdAt: time,
    lastUsedAt: nullableTime,
    revokedAt: nullableTime,
  }),
)
export const createKeyBody = component(
  'CreateKey',
  z.strictObject({
    name: z.string().min(1).max(128),
    scopes: z.array(scope).min(1).max(4).optional().describe('Absent: `read`, `write` and `admin`'),
    member: z.string().min(1).max(128).optional().describe('Whose it is: a name or an address'),
  }),
  { examples: [{ name: 'ci' }, { name: 'dashboard', scopes: ['read'], member: 'ana@example.com' }] },
)
export const createdKey = component(
  'CreatedKey',
  z.object({ key: apiKey, secret: z.string().describe('Shown this once') }),
)
export const listKeysQuery = z.strictObject(pageQuery)

// ---------------------------------------------------------------- teams

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const limitFields = {
  sandboxes: count.nullable().describe('That run, or are being brought up or down'),
  cpus: z.number().min(0).nullable().describe('Of these sandboxes together'),
  memoryBytes: bytes.nullable().describe('Of these sandboxes together'),
  snapshots: count.nullable().describe('That it keeps, failed ones apart'),
  storageBytes: bytes.nullable().describe('Of snapshots, and of the memory of paused sandboxes'),
  snapshotRetentionMs: milliseconds.nullable().describe('The longest that a snapshot may be kept'),
}
const limits = component('TeamLimits', z.object(limitFields), {
  description: 'The most that the team may have at once; `null` for no limit',
})
const changedLimits = z.strictObject(limitFields).partial()
const retention = milliseconds.nullable().describe('That snapshots are kept unless told otherwise; `null` for ever')

const trashMs = milliseconds.describe('That deleted snapshots can be brought back; 0 for no trash')

export const team = component(
  'Team',
  z.object({
    id,
    name: z.string(),
    snapshotRetentionMs: retention,
    trashMs,
    limits,
    used: component(
      'TeamUse',
      z.object({ sandboxes: count, cpus: z.number(), memoryBytes: bytes, snapshots: count, storageBytes: bytes }),
      { description: 'What of its limits the team has used' },
    ),
    createdAt: time,
  }),
)
export const updateTeamBody = component(
  'UpdateTeam',
  z.strictObject({ snapshotRetentionMs: retention.optional(), trashMs: trashMs.optional() }),
  { examples: [{ snapshotRetentionMs: 604_800_000 }] },
)
export const createTeamBody = component(
  'CreateTeam',
  z.strictObject({
    name: z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9-]{0,62}$/,
        'Expected 1 to 63 lowercase letters, digits or "-", beginning with a letter or digit',
      ),
    limits: changedLimits.optional(),
  }),
  { examples: [{ name: 'research', limits: { sandboxes: 20 } }] },
)
export const createdTeam = component(
  'CreatedTeam',
  z.object({ team, key: apiKey, secret: z.string().describe('Of its first key; shown this once') }),
)
export const changeTeamBody = component(
  'ChangeTeam',
  z.strictObject({ limits: changedLimits.optional().describe('What is absent stays as it is') }),
  { examples: [{ limits: { sandboxes: 20, snapshotRetentionMs: null } }] },
)
export const listTeamsQuery = z.strictObject(pageQuery)

// ---------------------------------------------------------------- usage

const day = z.iso.date()
const moment = z.union([z.iso.date(), z.iso.datetime({ offset: true }).max(40)]).transform((text) => new Date(text))
const groups = ['day', 'sandbox'] as const
const usageFields = {
  from: moment.optional().describe('A date or a time; absent: 30 days before `to`'),
  to: moment.optional().describe('Excluded; absent: now'),
  by: query
    .many(z.enum(groups), groups.length)
    .optional()
    .describe('A row for each day in UTC, for each sandbox, or both; absent: one row in all'),
  format: z.enum(['json', 'csv']).optional(),
}
export const usageQuery = z.strictObject(usageFields)
export const usageOfTeamsQuery = z.strictObject({ ...usageFields, team: ref.optional().describe('Id or name') })

export const usageRow = component(
  'UsageRow',
  z.object({
    teamId: id.nullable(),
    day: day.nullable(),
    sandboxId: id.nullable(),
    sandboxSeconds: z.number().describe('Time that sandboxes ran'),
    cpuSeconds: z.number().describe('The same times the processors they might use'),
    cpuUsedSeconds: z.number().describe('Processor time that they did use'),
    memoryGibSeconds: z.number().describe('Time that they ran times their memory in GiB'),
    snapshotGibHours: z.number().describe('Hours that snapshots were kept times their size in GiB'),
  }),
)
export const usageRows = z.object({ items: z.array(usageRow) })

// ---------------------------------------------------------------- audit

export const auditEntry = component(
  'AuditEntry',
  z.object({
    id,
    at: time,
    door: z.string().describe('Which protocol it came through'),
    keyId: id.nullable().describe('`null` where another proof than a key was shown'),
    keyName: z.string().nullable(),
    member: z.string().nullable(),
    what: z.string().describe('The call: `sandboxes.create`'),
    target: z.string().nullable().describe('As it was named in the request, or the id of what was made'),
    outcome: z.string().describe('`done`, `accepted` (see its operation), or the code of an error'),
    operationId: id.nullable(),
  }),
)
export const auditPage = pageOf(auditEntry)
const text = z.string().min(1).max(200)
export const auditQuery = z.strictObject({
  ...pageQuery,
  from: moment.optional(),
  to: moment.optional().describe('Excluded'),
  member: text.optional(),
  keyId: text.optional(),
  what: text.optional().describe('A call, or all of a subject: `snapshots.`'),
  target: text.optional(),
})
