import { type Kysely, sql } from 'kysely'

/** What is started from a snapshot may have the credentials of the sandbox that it was taken of. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table spawnpoint.snapshots add column credentials json not null default '[]'`.execute(db)
}
