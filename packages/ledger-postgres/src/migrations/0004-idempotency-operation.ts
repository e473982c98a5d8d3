import { type Kysely, sql } from 'kysely'

/** Which operation a request with an idempotency key has begun, written when it is accepted. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table spawnpoint.idempotency add column operation_id text collate "C"`.execute(db)
}
