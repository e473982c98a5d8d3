import { type Kysely, sql } from 'kysely'

/**
 * Lives of incarnations and snapshots. They outlive the records they are about. What is there when this runs is counted
 * from now on: nobody was told before that it would be.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table spawnpoint.usage_intervals (
    id text collate "C" primary key,
    kind text not null check (kind in ('incarnation', 'snapshot')),
    team_id text collate "C" not null,
    sandbox_id text collate "C" not null,
    cpus double precision not null,
    memory_bytes bigint not null,
    stored_bytes bigint not null,
    started_at timestamptz(3) not null,
    seen_at timestamptz(3) not null,
    ended_at timestamptz(3) check (ended_at >= started_at)
  )`,
  `create index usage_intervals_team on spawnpoint.usage_intervals (team_id, coalesce(ended_at, 'infinity'))`,
  `create index usage_intervals_ended on spawnpoint.usage_intervals (ended_at) where ended_at is not null`,
  `create index usage_intervals_open on spawnpoint.usage_intervals (id) where ended_at is null and kind = 'incarnation'`,

  // Processor time since the incarnation began, as it was at the end of each day in UTC.
  `create table spawnpoint.usage_cpu (
    id text collate "C" not null,
    day date not null,
    cpu_ms bigint not null,
    primary key (id, day)
  )`,

  `insert into spawnpoint.usage_intervals
    select incarnation_id, 'incarnation', team_id, id, coalesce((resources->>'cpus')::float8, 0),
      coalesce((resources->>'memoryBytes')::bigint, 0), 0, now(), now(), null
    from spawnpoint.sandboxes where incarnation_id is not null and state <> 'killed'`,
  `insert into spawnpoint.usage_intervals
    select id, 'snapshot', team_id, sandbox_id, 0, 0, size_bytes, now(), now(), null
    from spawnpoint.snapshots
    where state in ('ready', 'deleting') and (
      not internal or id in (select paused_snapshot_id from spawnpoint.sandboxes where state <> 'killed')
    )`,
]
