import {
  type AccountReads,
  type AuditEntry,
  type AuditQuery,
  COUNTED_STATES,
  type IncarnationId,
  isId,
  type Page,
  type PageRequest,
  type Resources,
  type Team,
  type TeamId,
  type TeamUse,
  type UsageFilter,
  type UsageSums,
} from '@spawnpoint/core'
import { type Kysely, sql } from 'kysely'
import { toAudit, toTeam } from './account-rows.ts'
import { all, beginsWith, equal } from './conditions.ts'
import { readPage } from './paging.ts'
import { instant } from './rows.ts'
import type { Tables } from './tables.ts'

const EVERYTHING: readonly (keyof TeamUse)[] = ['sandboxes', 'cpus', 'memoryBytes', 'snapshots', 'storageBytes']

/** Teams, what they use and what they have asked for. */
export class PostgresAccountReads implements AccountReads {
  readonly #db: () => Kysely<Tables>

  constructor(db: () => Kysely<Tables>) {
    this.#db = db
  }

  async teams(page: PageRequest): Promise<Page<Team>> {
    return readPage('teams', this.#db().selectFrom('teams').selectAll(), [], page, toTeam)
  }

  async teamUse(id: TeamId, asked: readonly (keyof TeamUse)[] = EVERYTHING): Promise<TeamUse> {
    const use: TeamUse = { sandboxes: 0, cpus: 0, memoryBytes: 0, snapshots: 0, storageBytes: 0 }
    if (!isId(id)) return use
    if (asked.some((kind) => kind !== 'snapshots' && kind !== 'storageBytes'))
      Object.assign(use, await this.#running(id))
    if (asked.includes('snapshots') || asked.includes('storageBytes')) Object.assign(use, await this.#kept(id))
    return use
  }

  async #running(id: TeamId): Promise<Partial<TeamUse>> {
    const { rows } = await sql<Partial<TeamUse>>`
      select count(*)::bigint as sandboxes, coalesce(sum((resources->>'cpus')::numeric), 0)::float8 as cpus,
        coalesce(sum((resources->>'memoryBytes')::bigint), 0)::bigint as "memoryBytes"
      from spawnpoint.sandboxes
      where team_id = ${id} and state = any(${[...COUNTED_STATES, 'killing']}::text[])
        and (state <> 'killing' or incarnation_id is not null)`.execute(this.#db())
    const { sandboxes = 0, cpus = 0, memoryBytes = 0 } = rows[0] ?? {}
    const builders = await this.#builders(id)
    return {
      sandboxes: sandboxes + builders.length,
      cpus: builders.reduce((sum, builder) => sum + builder.cpus, cpus),
      memoryBytes: builders.reduce((sum, builder) => sum + builder.memoryBytes, memoryBytes),
    }
  }

  /** What sandboxes of open builds may use. Details are taken out here: PostgreSQL cannot look into JSON that holds NUL. */
  async #builders(id: TeamId): Promise<Resources[]> {
    const rows = await this.#db()
      .selectFrom('operations')
      .select('detail')
      .where('team_id', '=', id)
      .where('state', '=', 'open')
      .where('kind', '=', 'image.build')
      .execute()
    return rows.flatMap(({ detail }) => {
      const { builder } = detail as { builder?: Resources }
      return builder === undefined ? [] : [builder]
    })
  }

  async #kept(id: TeamId): Promise<Partial<TeamUse>> {
    const { rows } = await sql<Partial<TeamUse>>`
      select snapshots, storage + paused as "storageBytes"
      from (
        select count(*) filter (where state in ('creating', 'ready'))::bigint as snapshots,
          coalesce(sum(size_bytes) filter (where state not in ('creating', 'failed')), 0)::bigint as storage
        from spawnpoint.snapshots where team_id = ${id} and not internal
      ) as kept, (
        select coalesce(sum(size_bytes), 0)::bigint as paused
        from spawnpoint.snapshots as snapshot
        where snapshot.team_id = ${id} and internal and exists (
          select from spawnpoint.sandboxes as sandbox
          where sandbox.id = snapshot.sandbox_id and sandbox.paused_snapshot_id = snapshot.id
        )
      ) as resting`.execute(this.#db())
    return rows[0] ?? {}
  }

  async usage(filter: UsageFilter): Promise<UsageSums[]> {
    const [from, to, now] = [filter.from, filter.to, filter.now].map((date) => instant('range', date))
    const { byTeam, byDay, bySandbox } = filter
    const group = [byTeam && sql`team_id`, byDay && sql`day`, bySandbox && sql`sandbox_id`].filter((by) => by !== false)
    const grouped =
      group.length === 0 ? sql`having count(*) > 0` : sql`group by ${sql.join(group)} order by ${sql.join(group)}`
    const { rows } = await sql<UsageSums>`
      with lasting as (
        select *, started_at at time zone 'UTC' as begun,
          coalesce(ended_at, ${now}::timestamptz) at time zone 'UTC' as ended
        from spawnpoint.usage_intervals
        where started_at < ${to} and coalesce(ended_at, 'infinity') > ${from}
          and ${all([equal('team_id', filter.teamId)])}
      ), slices as (
        select id, kind, team_id, sandbox_id, cpus::numeric, memory_bytes, stored_bytes, day,
          1000 * extract(epoch from
            least(ended, day + interval '1 day', ${to}::timestamptz at time zone 'UTC')
            - greatest(begun, day, ${from}::timestamptz at time zone 'UTC')
          ) as ms,
          1000 * extract(epoch from least(ended, day + interval '1 day') - greatest(begun, day)) as whole_ms
        from lasting cross join lateral generate_series(
          date_trunc('day', greatest(begun, ${from}::timestamptz at time zone 'UTC')),
          least(ended, ${to}::timestamptz at time zone 'UTC') - interval '1 microsecond',
          interval '1 day'
        ) as days (day)
        where ended > begun and ended > ${from}::timestamptz at time zone 'UTC'
      ), measured as (
        select slices.*, coalesce(noted.cpu_ms - coalesce((
          select max(earlier.cpu_ms) from spawnpoint.usage_cpu as earlier
          where earlier.id = slices.id and earlier.day < slices.day
        ), 0), 0) as used_ms
        from slices left join spawnpoint.usage_cpu as noted
          on kind = 'incarnation' and noted.id = slices.id and noted.day = slices.day
      )
      select
        ${byTeam ? sql`team_id` : sql`null`} as "teamId",
        ${byDay ? sql`to_char(day, 'YYYY-MM-DD')` : sql`null`} as "day",
        ${bySandbox ? sql`sandbox_id` : sql`null`} as "sandboxId",
        coalesce(sum(ms) filter (where kind = 'incarnation'), 0)::float8 as "ranMs",
        sum(ms * cpus)::float8 as "cpuMs",
        sum(used_ms * ms / whole_ms)::float8 as "cpuUsedMs",
        sum(ms * memory_bytes)::float8 as "memoryByteMs",
        sum(ms * stored_bytes)::float8 as "storedByteMs"
      from measured
      ${grouped}
      limit ${filter.limit}`.execute(this.#db())
    return rows
  }

  async openIncarnations(): Promise<{ id: IncarnationId; seenAt: Date }[]> {
    const rows = await this.#db()
      .selectFrom('usage_intervals')
      .select(['id', 'seen_at'])
      .where('ended_at', 'is', null)
      .where('kind', '=', 'incarnation')
      .execute()
    return rows.map(({ id, seen_at }) => ({ id: id as IncarnationId, seenAt: seen_at }))
  }

  async audit(query: AuditQuery, page: PageRequest): Promise<Page<AuditEntry>> {
    const rows = this.#db().selectFrom('audit').selectAll()
    return readPage(
      'audit',
      rows,
      [
        equal('team_id', query.teamId),
        query.from === undefined ? null : sql<boolean>`at >= ${instant('from', query.from)}`,
        query.to === undefined ? null : sql<boolean>`at < ${instant('to', query.to)}`,
        equal('member', query.member),
        equal('key_id', query.keyId),
        equal('what', query.what),
        beginsWith('what', query.whatPrefix),
        equal('target', query.target),
      ],
      page,
      toAudit,
    )
  }
}
