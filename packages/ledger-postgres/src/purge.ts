import { type HistoryKind, invalidArgument } from '@spawnpoint/core'
import { type Kysely, sql } from 'kysely'
import { instant } from './rows.ts'
import type { Tables } from './tables.ts'

/** `LedgerTx.purge`. What comes in great numbers has an index by its time: the oldest are found without a look at the rest. */
export async function purge(db: Kysely<Tables>, kind: HistoryKind, before: Date, limit: number): Promise<number> {
  if (!Number.isSafeInteger(limit) || limit < 1) throw invalidArgument('limit', 'must be a whole number from 1')
  if (kind === 'names') return purgeNames(db, instant('before', before), limit)
  const { rows } = await STATEMENTS[kind](instant('before', before), limit).execute(db)
  return Number(rows[0]?.count ?? 0)
}

const UNUSED = sql`
  not exists (select from spawnpoint.tags where name_id = name.id)
  and not exists (
    select from spawnpoint.images as image
    where image.team_id = name.team_id and image.name = name.name and image.state <> 'deleting'
  )
  and not exists (
    select from spawnpoint.snapshots as snapshot
    where snapshot.team_id = name.team_id and snapshot.name = name.name and snapshot.state <> 'deleting'
  )`

/** In two statements: who tags one holds its row, and the second sees the tags of who let go of it before the first. */
async function purgeNames(db: Kysely<Tables>, before: string, limit: number): Promise<number> {
  const found = await sql<{ id: string }>`
    select id from spawnpoint.names as name where created_at < ${before} and ${UNUSED}
    order by created_at limit ${limit} for update skip locked`.execute(db)
  if (found.rows.length === 0) return 0
  const ids = sql.join(found.rows.map(({ id }) => id))
  const purged = await sql`delete from spawnpoint.names as name where id in (${ids}) and ${UNUSED}`.execute(db)
  return Number(purged.numAffectedRows ?? 0)
}

const STATEMENTS = {
  // A commit of new events holds the team's lock and no row of these: nobody waits for anybody.
  events: (before: string, limit: number) => sql<{ count: string }>`
    with purged as (
      delete from spawnpoint.events where seq in (
        select seq from spawnpoint.events where at < ${before} order by at limit ${limit}
      ) returning team_id, seq
    ), told as (
      insert into spawnpoint.purged_events (team_id, seq)
      select team_id, max(seq) from purged group by team_id order by team_id
      on conflict (team_id) do update set seq = greatest(purged_events.seq, excluded.seq)
    )
    select count(*) from purged`,

  operations: (before: string, limit: number) => sql<{ count: string }>`
    with purged as (
      delete from spawnpoint.operations where id in (
        select id from spawnpoint.operations as operation
        where state <> 'open' and ended_at < ${before} and (
          not exists (
            select from spawnpoint.sandboxes as sandbox
            where sandbox.id = operation.sandbox_id and sandbox.state <> 'killed'
          ) or exists (
            select from spawnpoint.operations as later
            where later.sandbox_id = operation.sandbox_id and later.id > operation.id
          )
        )
        order by ended_at limit ${limit}
      ) returning id
    )
    select count(*) from purged`,

  sandboxes: (before: string, limit: number) => sql<{ count: string }>`
    with purged as (
      delete from spawnpoint.sandboxes where id in (
        select id from spawnpoint.sandboxes as sandbox
        where state = 'killed' and ended_at < ${before}
          and not exists (select from spawnpoint.snapshots where sandbox_id = sandbox.id)
          and not exists (
            select from spawnpoint.sandboxes as fork
            where fork.parent_sandbox_id = sandbox.id and fork.state <> 'killed'
          )
          and not exists (
            select from spawnpoint.operations as operation
            where operation.sandbox_id = sandbox.id and operation.state = 'open'
          )
        order by ended_at limit ${limit}
      ) returning id
    )
    select count(*) from purged`,

  keys: (before: string, limit: number) => sql<{ count: string }>`
    with purged as (
      delete from spawnpoint.api_keys where id in (
        select id from spawnpoint.api_keys where revoked_at < ${before} order by revoked_at limit ${limit}
      ) returning id
    )
    select count(*) from purged`,

  idempotency: (before: string, limit: number) => sql<{ count: string }>`
    with purged as (
      delete from spawnpoint.idempotency where (team_id, key) in (
        select team_id, key from spawnpoint.idempotency where created_at < ${before} order by created_at limit ${limit}
      ) returning key
    )
    select count(*) from purged`,

  usage: (before: string, limit: number) => sql<{ count: string }>`
    with purged as (
      delete from spawnpoint.usage_intervals where id in (
        select id from spawnpoint.usage_intervals where ended_at < ${before} order by ended_at limit ${limit}
      ) returning id
    ), notes as (
      delete from spawnpoint.usage_cpu where id in (select id from purged)
    )
    select count(*) from purged`,

  audit: (before: string, limit: number) => sql<{ count: string }>`
    with purged as (
      delete from spawnpoint.audit where id in (
        select id from spawnpoint.audit where at < ${before} order by at limit ${limit}
      ) returning id
    )
    select count(*) from purged`,
} satisfies { [K in Exclude<HistoryKind, 'names'>]: unknown }
