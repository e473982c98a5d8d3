import { type Kysely, sql } from 'kysely'

/** What a team may have, and what a key may ask for: keys that are there may ask for all that they could. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `alter table spawnpoint.teams add column limits json not null default '{}'`,
  `alter table spawnpoint.api_keys
    add column scopes text[] not null default '{read,write,admin}',
    add column member text`,
  `alter table spawnpoint.api_keys alter column scopes drop default`,
]
