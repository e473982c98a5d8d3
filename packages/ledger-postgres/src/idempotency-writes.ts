import type { IdempotencyRecord, OperationId, TeamId } from '@spawnpoint/core'
import type { CompiledQuery, Kysely } from 'kysely'
import { idempotencyRow, text, toIdempotency } from './rows.ts'
import type { Tables } from './tables.ts'

/** What there is under its key already; `null` if the key is now this one's. */
export async function claimIdempotency(
  db: Kysely<Tables>,
  record: IdempotencyRecord,
): Promise<IdempotencyRecord | null> {
  const row = idempotencyRow(record)
  for (;;) {
    // Waits for another transaction that claims the same key, and inserts if that one rolls back.
    const inserted = await db
      .insertInto('idempotency')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .returning('key')
      .executeTakeFirst()
    if (inserted) return null
    const query = db.selectFrom('idempotency').selectAll()
    const found = await query.where('team_id', '=', row.team_id).where('key', '=', row.key).executeTakeFirst()
    // Not found: released between the two statements.
    if (found) return toIdempotency(found)
  }
}

/** The first operation that is tied to it stays. */
export function tieIdempotency(
  db: Kysely<Tables>,
  teamId: TeamId,
  key: string,
  operationId: OperationId,
): CompiledQuery {
  return db
    .updateTable('idempotency')
    .set({ operation_id: operationId })
    .where('team_id', '=', teamId)
    .where('key', '=', text('key', key))
    .where('operation_id', 'is', null)
    .compile()
}

export async function finishIdempotency(
  db: Kysely<Tables>,
  teamId: TeamId,
  key: string,
  response: { status: number; body: unknown },
): Promise<void> {
  await db
    .updateTable('idempotency')
    .set({ response: JSON.stringify(response) })
    .where('team_id', '=', teamId)
    .where('key', '=', text('key', key))
    .execute()
}

export async function releaseIdempotency(db: Kysely<Tables>, teamId: TeamId, key: string): Promise<void> {
  const query = db.deleteFrom('idempotency').where('team_id', '=', teamId)
  await query.where('key', '=', text('key', key)).execute()
}
