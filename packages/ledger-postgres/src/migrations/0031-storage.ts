import { type Kysely, sql } from 'kysely'

/** What teams have in the store, as last measured. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`create table spawnpoint.storage (team_id text collate "C" primary key, measured json not null)`)
    .execute(db)
}
