import { invalidArgument, type Page, type PageRequest } from '@spawnpoint/core'

export type ListName =
  | 'teams'
  | 'audit'
  | 'keys'
  | 'images'
  | 'names'
  | 'sandboxes'
  | 'snapshots'
  | 'registries'
  | 'volumes'
  | 'schedules'
  | 'operations'

const CURSOR = /^([a-z]+):([0-9a-f]{24})$/

/** The id that the cursor stands behind, `null` for the first page. The list's name in it keeps foreign ones out. */
export function readCursor(list: ListName, page: PageRequest): string | null {
  if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > 500) {
    throw invalidArgument('limit', 'must be a whole number from 1 to 500')
  }
  if (page.after === undefined) return null
  const bad = () => invalidArgument('after', 'is not a cursor of this list')
  if (page.after.length > 100) throw bad()
  const [, name, id] = CURSOR.exec(Buffer.from(page.after, 'base64url').toString('latin1')) ?? []
  // Decoding skips what is not base64url, so compare with the one spelling that was given out.
  if (name !== list || id === undefined || writeCursor(list, id) !== page.after) throw bad()
  return id
}

function writeCursor(list: ListName, id: string): string {
  return Buffer.from(`${list}:${id}`, 'latin1').toString('base64url')
}

/** Makes a page of `limit + 1` rows asked for, the last of which only tells that there is more. */
export function toPage<R extends { id: string }, T>(
  list: ListName,
  rows: R[],
  limit: number,
  make: (row: R) => T,
): Page<T> {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return { items: shown.map(make), next: rows.length > limit && last ? writeCursor(list, last.id) : null }
}
