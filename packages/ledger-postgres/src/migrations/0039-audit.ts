import { type Kysely, sql } from 'kysely'

/** Who has asked for what. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table spawnpoint.audit (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    at timestamptz(3) not null,
    door text not null,
    key_id text collate "C",
    key_name text,
    member text,
    what text collate "C" not null,
    target text,
    outcome text not null,
    operation_id text collate "C"
  )`,
  `create index audit_team on spawnpoint.audit (team_id, id)`,
  `create index audit_at on spawnpoint.audit (at)`,
]
