import { invalidArgument, isId, type Page, type PageRequest } from '@spawnpoint/core'
import { type SelectQueryBuilder, sql } from 'kysely'
import { all, before, type Condition } from './conditions.ts'
import type { Tables } from './tables.ts'

export type ListName =
  | 'teams'
  | 'audit'
  | 'keys'
  | 'images'
  | 'names'
  | 'sandboxes'
  | 'snapshots'
  | 'registries'
  | 'secrets'
  | 'volumes'
  | 'schedules'
  | 'operations'

const CURSOR = /^([a-z]+):([0-9a-f]{24})$/

/** The id that the cursor stands behind, `null` for the first page. The list's name in it keeps foreign ones out. */
function readCursor(list: ListName, page: PageRequest): string | null {
  if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > 500) {
    throw invalidArgument('limit', 'must be a whole number from 1 to 500')
  }
  if (page.after === undefined) return null
  const bad = () => invalidArgument('cursor', 'is not a cursor of this list')
  if (page.after.length > 100) throw bad()
  const [, name, id] = CURSOR.exec(Buffer.from(page.after, 'base64url').toString('latin1')) ?? []
  // Decoding skips what is not base64url, so compare with the one spelling that was given out.
  if (name !== list || id === undefined || writeCursor(list, id) !== page.after) throw bad()
  return id
}

function writeCursor(list: ListName, id: string): string {
  return Buffer.from(`${list}:${id}`, 'latin1').toString('base64url')
}

/** The page of those rows of `rows` that meet the conditions, newest first. */
export async function readPage<Table extends keyof Tables, Row extends { id: string }, Value>(
  list: ListName,
  rows: SelectQueryBuilder<Tables, Table, Row>,
  conditions: Condition[],
  page: PageRequest,
  make: (row: Row) => Value,
): Promise<Page<Value>> {
  const found = await rows
    .where(all([...conditions, before(readCursor(list, page))]))
    .orderBy(sql`id`, 'desc')
    // One more, which only tells that there is more.
    .limit(page.limit + 1)
    .execute()
  const shown = found.slice(0, page.limit)
  const last = shown.at(-1)
  return { items: shown.map(make), next: found.length > page.limit && last ? writeCursor(list, last.id) : null }
}

/** The row of `rows` with this id; `null` for what is no id at all, too. */
export async function readById<Table extends keyof Tables, Row, Value>(
  rows: SelectQueryBuilder<Tables, Table, Row>,
  id: string,
  make: (row: Row) => Value,
): Promise<Value | null> {
  if (!isId(id)) return null
  const row = await rows.where(sql`id`, '=', id).executeTakeFirst()
  return row === undefined ? null : make(row)
}
