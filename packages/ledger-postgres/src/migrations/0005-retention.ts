import { type Kysely, sql } from 'kysely'

/** What is needed to remove history: by team how far its events are gone, and each kind by its time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table spawnpoint.purged_events (
    team_id text collate "C" primary key,
    seq bigint not null
  )`,
  `create index events_at on spawnpoint.events (at)`,
  `create index operations_ended on spawnpoint.operations (ended_at) where ended_at is not null`,
  `create index sandboxes_killed on spawnpoint.sandboxes (ended_at) where state = 'killed'`,
  `create index sandboxes_parent on spawnpoint.sandboxes (parent_sandbox_id) where parent_sandbox_id is not null`,
  `create index idempotency_created on spawnpoint.idempotency (created_at)`,
]
