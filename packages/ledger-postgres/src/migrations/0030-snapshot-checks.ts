import { type Kysely, sql } from 'kysely'

/** What of the store is a snapshot's own, and whether it was found to be whole. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `alter table spawnpoint.snapshots
        add column storage json,
        add column checked_at timestamptz(3),
        add column verified_at timestamptz(3),
        add column check_failure json`,
    )
    .execute(db)
}
