import { type Kysely, sql } from 'kysely'

/** Secrets of teams, sealed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table spawnpoint.secrets (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    name text not null,
    hosts jsonb not null,
    sealed_value text not null,
    created_at timestamptz(3) not null,
    updated_at timestamptz(3) not null,
    constraint secrets_name unique (team_id, name)
  )`,
  `create index secrets_team on spawnpoint.secrets (team_id, id)`,
]
