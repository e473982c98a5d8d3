import { type Kysely, sql } from 'kysely'

/** Sandboxes that failed rest as well; and whether one was booted without the memory of the snapshot it began with. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `alter table spawnpoint.sandboxes add column origin_cold boolean not null default false`,
  // Those to come say it themselves; one that forgets must fail.
  `alter table spawnpoint.sandboxes alter column origin_cold drop default`,
  `update spawnpoint.sandboxes s set origin_cold = true
    from spawnpoint.operations o, spawnpoint.snapshots p
    where o.sandbox_id = s.id and o.kind = 'sandbox.create' and o.detail ->> 'cold' = 'true'
      and p.id = s.origin_snapshot_id and p.kind = 'memory'`,
  // When exactly nobody wrote down.
  `update spawnpoint.sandboxes set halted_at = now() where state = 'failed' and halted_at is null`,
]
