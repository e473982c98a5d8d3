import { type Kysely, sql } from 'kysely'

/** Files of elsewhere that are put into a sandbox when it is made; a snapshot may carry its sandbox's. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of ['sandboxes', 'snapshots'])
    await sql`alter table ${sql.id('spawnpoint', table)} add column remotes json not null default '[]'`.execute(db)
}
