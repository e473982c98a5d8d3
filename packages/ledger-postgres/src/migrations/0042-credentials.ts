import { type Kysely, sql } from 'kysely'

/** What is put into a sandbox's requests on their way out. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table spawnpoint.sandboxes add column credentials json not null default '[]'`.execute(db)
}
