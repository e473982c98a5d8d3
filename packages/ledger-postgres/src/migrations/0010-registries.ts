import { type Kysely, sql } from 'kysely'

/** Registries of images, with what opens them sealed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table spawnpoint.registries (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    name text not null,
    url text not null,
    username text,
    sealed_password text,
    created_at timestamptz(3) not null,
    updated_at timestamptz(3) not null,
    constraint registries_name unique (team_id, name)
  )`,
  `create index registries_team on spawnpoint.registries (team_id, id)`,
]
