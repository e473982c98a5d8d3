import { type Kysely, sql } from 'kysely'

/** Snapshots that were deleted and can be brought back, and when those and failed ones go for good. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `alter table spawnpoint.snapshots
    drop constraint snapshots_state_check,
    add constraint snapshots_state_check check (state in ('creating', 'ready', 'failed', 'trashed', 'deleting')),
    add column trashed_at timestamptz(3),
    add column purge_at timestamptz(3),
    add column trashed_tags json not null default '[]'`,
  // Those to come say it themselves; one that forgets must fail.
  `alter table spawnpoint.snapshots alter column trashed_tags drop default`,
  // When it failed nobody wrote down.
  `update spawnpoint.snapshots set purge_at = now() + interval '30 days' where state = 'failed'`,

  `alter table spawnpoint.teams add column trash_ms bigint not null default 86400000 check (trash_ms >= 0)`,
  `alter table spawnpoint.teams alter column trash_ms drop default`,
]
