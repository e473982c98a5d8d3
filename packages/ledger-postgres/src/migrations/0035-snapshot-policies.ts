import { type Kysely, sql } from 'kysely'

/** What of a sandbox's policies its snapshots take along; of earlier ones nobody wrote it down. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(`alter table spawnpoint.snapshots add column network json, add column ingress json`).execute(db)
}
