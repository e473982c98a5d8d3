import { invalidArgument } from '@spawnpoint/core'
import { z } from 'zod'

const number = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .optional()

/** Either a place counted from the beginning, or a cursor; and what both narrow the list down by. */
export const listQuery = {
  limit: number(1, 500),
  offset: number(0, 999_999_999),
  page_size: number(1, 500),
  cursor: z.string().max(2048).optional(),
  name_contains: z.string().max(255).optional(),
  status: z.string().max(64).optional(),
  label: z
    .union([z.string(), z.array(z.string())])
    .transform((value) => [value].flat())
    .optional(),
  created_by: z.string().max(64).optional(),
  tag_value_id: z
    .union([z.string(), z.array(z.string())])
    .transform((value) => [value].flat())
    .optional(),
  sort_by: z.string().max(64).optional(),
  sort_order: z.enum(['asc', 'desc']).optional(),
  sort_direction: z.enum(['asc', 'desc']).optional(),
}
const listSchema = z.object(listQuery)
type ListQuery = z.output<typeof listSchema>

/** What all that is listed tells of itself. */
export interface Listed {
  id: string
  name: string
  status: string
  labels: Record<string, string>
  created_by?: string | undefined
  tag_value_ids?: readonly string[]
  created_at: string
}

type Value = string | number
/** What a list can be sorted by. */
export type SortKeys<T> = Record<string, (one: T) => Value>

const DEFAULT_LIMIT = 50

interface PageOptions {
  /** `null` for all there are */
  defaultLimit?: number | null
  /** The caller's key; absent where it is not known who made what */
  me?: string | null
}

const cursorSchema = z.tuple([z.union([z.string(), z.number()]), z.string()])

/** One page of a list that is here in full, newest first unless told otherwise. */
export function page<T extends Listed>(
  all: readonly T[],
  query: ListQuery,
  keys: SortKeys<T>,
  { defaultLimit = DEFAULT_LIMIT, me }: PageOptions = {},
) {
  if (query.created_by !== undefined && (query.created_by !== 'me' || me === undefined))
    throw invalidArgument('query.created_by', me === undefined ? 'not recorded of these' : "only 'me'")
  const key = keys[query.sort_by ?? 'created_at']
  if (key === undefined) throw invalidArgument('query.sort_by', `one of ${Object.keys(keys).join(', ')}`)
  const direction =
    (query.sort_order ?? query.sort_direction ?? (query.sort_by === undefined ? 'desc' : 'asc')) === 'asc' ? 1 : -1
  const order = (a: readonly [Value, string], b: readonly [Value, string]) =>
    direction * (compare(a[0], b[0]) || compare(a[1], b[1]))
  const placed = all
    .filter((one) => isWanted(one, query) && (query.created_by === undefined || one.created_by === me))
    .map((item) => ({ item, place: [key(item), item.id] as const }))
    .sort((a, b) => order(a.place, b.place))
  const limit = query.page_size ?? query.limit ?? defaultLimit ?? placed.length
  const after = query.cursor === undefined ? null : placeOf(query.cursor)
  const from = after === null ? (query.offset ?? 0) : placed.findIndex(({ place }) => order(place, after) > 0)
  const shown = from === -1 ? [] : placed.slice(from, from + limit)
  const last = shown.at(-1)
  const more = last !== undefined && last !== placed.at(-1)
  return {
    items: shown.map(({ item }) => item),
    next_cursor: more ? Buffer.from(JSON.stringify(last.place)).toString('base64url') : null,
    // Where the next page begins; nought is the end.
    offset: more ? from + shown.length : 0,
  }
}

function isWanted(one: Listed, { name_contains, status, label = [], tag_value_id = [] }: ListQuery): boolean {
  if (name_contains !== undefined && !one.name.toLowerCase().includes(name_contains.toLowerCase())) return false
  if (status !== undefined && one.status !== status) return false
  if (!tag_value_id.every((id) => one.tag_value_ids?.includes(id))) return false
  return label.every((text) => {
    const [, key = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? []
    return value === undefined ? Object.hasOwn(one.labels, key) : one.labels[key] === value
  })
}

function placeOf(cursor: string): readonly [Value, string] {
  try {
    return cursorSchema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
  } catch {
    throw invalidArgument('query.cursor', 'not one of ours')
  }
}

function compare(a: Value, b: Value): number {
  return a < b ? -1 : a > b ? 1 : 0
}
