import { type Kysely, sql } from 'kysely'

/** What happens to a sandbox by itself, who reaches it, what it was started from; teams are found by name. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `alter table spawnpoint.sandboxes
    add column ingress json not null default '{"default":"open","ports":{},"hostHeader":null}',
    add column origin_snapshot_id text collate "C",
    add column halted_at timestamptz(3)`,
  // Those to come say it themselves; one that forgets must fail.
  `alter table spawnpoint.sandboxes alter column ingress drop default`,
  // By way of jsonb, which is safe here: nothing in it comes from a guest.
  `update spawnpoint.sandboxes
    set timeout = (timeout::jsonb || '{"autoResume": false, "deleteAfterMs": null}'::jsonb)::json`,
  // When exactly nobody wrote down.
  `update spawnpoint.sandboxes set halted_at = now() where state in ('paused', 'stopped')`,
  // The operation that made it knows where it came from; a fork's children have none of their own.
  `update spawnpoint.sandboxes s set origin_snapshot_id = coalesce(
    (select coalesce(o.snapshot_id, '') from spawnpoint.operations o
      where o.sandbox_id = s.id and o.kind = 'sandbox.create' order by o.id limit 1),
    s.source_snapshot_id)`,
  `update spawnpoint.sandboxes set origin_snapshot_id = null where origin_snapshot_id = ''`,
  `create unique index teams_name on spawnpoint.teams (name)`,
]
