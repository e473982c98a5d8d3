import { type Kysely, sql } from 'kysely'

/** What clients keep with a secret, and how many values it has had. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `alter table spawnpoint.secrets add column labels jsonb not null default '{}', add column version integer not null default 1`,
  // Those to come say it themselves; one that forgets must fail.
  `alter table spawnpoint.secrets alter column labels drop default, alter column version drop default`,
]
