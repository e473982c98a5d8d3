import { type ImageId, isId, type Name, type NameId, type SnapshotId, type Tag, type TeamId } from '@spawnpoint/core'
import { type Kysely, sql } from 'kysely'
import { nameRow, tagRow, text, toName } from './rows.ts'
import type { Tables } from './tables.ts'

export async function ensureName(db: Kysely<Tables>, name: Name): Promise<Name> {
  const row = nameRow(name)
  for (;;) {
    // Waits for another transaction that inserts the same, and inserts if that one rolls back.
    const insert = db.insertInto('names').values(row)
    const inserted = await insert
      .onConflict((conflict) => conflict.constraint('names_of_team').doNothing())
      .returning('id')
      .executeTakeFirst()
    if (inserted) return name
    const query = db.selectFrom('names').selectAll().where('team_id', '=', row.team_id)
    const found = await query.where('name', '=', row.name).forUpdate().executeTakeFirst()
    // Not found: deleted between the two statements.
    if (found) return toName(found)
  }
}

export async function deleteName(db: Kysely<Tables>, id: NameId): Promise<void> {
  if (!isId(id)) return
  // The name first: whoever tags it at this moment holds its row, and the next statement sees those tags.
  await db.deleteFrom('names').where('id', '=', id).execute()
  await db.deleteFrom('tags').where('name_id', '=', id).execute()
}

export async function deleteUnusedName(db: Kysely<Tables>, teamId: TeamId, name: string): Promise<void> {
  const found = await db
    .selectFrom('names')
    .select('id')
    .where('team_id', '=', teamId)
    .where('name', '=', text('name', name))
    .forUpdate()
    .executeTakeFirst()
  if (!found) return
  await sql`
    delete from spawnpoint.names where id = ${found.id}
      and not exists (select from spawnpoint.tags where name_id = ${found.id})
      and not exists (
        select from spawnpoint.images where team_id = ${teamId} and name = ${name} and state <> 'deleting'
      )
      and not exists (
        select from spawnpoint.snapshots where team_id = ${teamId} and name = ${name} and state <> 'deleting'
      )`.execute(db)
}

export async function putTag(db: Kysely<Tables>, tag: Tag): Promise<void> {
  const row = tagRow(tag)
  const query = db.insertInto('tags').values(row)
  await query.onConflict((conflict) => conflict.columns(['name_id', 'tag']).doUpdateSet(row)).execute()
}

export async function deleteTag(db: Kysely<Tables>, nameId: NameId, tag: string): Promise<void> {
  if (!isId(nameId)) return
  await db.deleteFrom('tags').where('name_id', '=', nameId).where('tag', '=', text('tag', tag)).execute()
}

export async function deleteTagsOf(db: Kysely<Tables>, target: ImageId | SnapshotId): Promise<void> {
  if (!isId(target)) return
  await db
    .deleteFrom('tags')
    .where((where) =>
      where.or([where('image_id', '=', target as ImageId), where('snapshot_id', '=', target as SnapshotId)]),
    )
    .execute()
}
