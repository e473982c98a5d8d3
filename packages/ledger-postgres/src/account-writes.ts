import type { AuditEntry, IncarnationId, KeyId, SnapshotId, UsageInterval, UsageNote } from '@spawnpoint/core'
import { type CompiledQuery, type Kysely, sql } from 'kysely'
import { auditRow, usageRow } from './account-rows.ts'
import { instant } from './rows.ts'
import type { Tables } from './tables.ts'

export function beginUsage(db: Kysely<Tables>, interval: UsageInterval): CompiledQuery {
  const insert = db.insertInto('usage_intervals').values(usageRow(interval))
  return insert.onConflict((conflict) => conflict.column('id').doNothing()).compile()
}

export function endUsage(db: Kysely<Tables>, id: IncarnationId | SnapshotId, at: Date): CompiledQuery {
  return sql`
    update spawnpoint.usage_intervals set ended_at = greatest(started_at, ${instant('at', at)})
    where id = ${id} and ended_at is null`.compile(db)
}

/**
 * A note is about the day that it ends, so one made at midnight is about the day before; after the end of an incarnation
 * nothing is used any more.
 */
export async function noteUsage(db: Kysely<Tables>, notes: readonly UsageNote[]): Promise<void> {
  if (notes.length === 0) return
  const ids = notes.map(({ id }) => id)
  const times = notes.map(({ at }) => instant('at', at))
  const used = notes.map(({ cpuMs }) => Math.floor(cpuMs))
  await sql`
    with notes as (
      select id, max(at) as at, max(cpu_ms) as cpu_ms
      from unnest(${ids}::text[], ${times}::timestamptz[], ${used}::bigint[]) as given (id, at, cpu_ms)
      group by id
    ), seen as (
      update spawnpoint.usage_intervals as lasting
      set seen_at = greatest(seen_at, least(at, ended_at))
      from notes where lasting.id = notes.id
      returning lasting.id, cpu_ms, greatest(started_at, least(at, ended_at) - interval '1 millisecond') as at
    )
    insert into spawnpoint.usage_cpu (id, day, cpu_ms)
    select id, (at at time zone 'UTC')::date, cpu_ms from seen
    on conflict (id, day) do update set cpu_ms = greatest(usage_cpu.cpu_ms, excluded.cpu_ms)`.execute(db)
}

export async function noteKeyUse(db: Kysely<Tables>, id: KeyId, at: Date): Promise<void> {
  await sql`
    update spawnpoint.api_keys set last_used_at = greatest(last_used_at, ${instant('at', at)})
    where id = ${id}`.execute(db)
}

export function putAudit(db: Kysely<Tables>, entry: AuditEntry): CompiledQuery {
  const { id, ...rest } = auditRow(entry)
  const insert = db.insertInto('audit').values({ id, ...rest })
  return insert.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).compile()
}
