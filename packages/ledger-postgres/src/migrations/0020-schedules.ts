import { type Kysely, sql } from 'kysely'

/** Schedules, what they leave in snapshots, and how long a team keeps those. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table spawnpoint.schedules (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    sandbox_id text collate "C" not null,
    cron text not null,
    time_zone text not null,
    kind text not null check (kind in ('memory', 'filesystem')),
    keep json not null,
    enabled boolean not null,
    created_at timestamptz(3) not null,
    decided_until timestamptz(3) not null,
    last_tick json
  )`,
  `create index schedules_team on spawnpoint.schedules (team_id, id)`,
  `create index schedules_sandbox on spawnpoint.schedules (sandbox_id, id)`,

  `alter table spawnpoint.snapshots
    add column schedule_id text collate "C",
    add column pinned boolean not null default false`,
  `create index snapshots_schedule on spawnpoint.snapshots (schedule_id, id) where schedule_id is not null`,

  `alter table spawnpoint.teams add column snapshot_retention_ms bigint check (snapshot_retention_ms > 0)`,
]
