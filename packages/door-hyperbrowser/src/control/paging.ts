import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'

const number = (max: number) => optional(z.coerce.number().int().min(1).max(max))

export const pageQuery = { search: optional(z.string().max(200)), page: number(1_000_000), limit: number(1_000) }
/** A key of a query that may come once, or several times, with one of these values. */
export function many<const V extends string>(values: readonly [V, ...V[]]) {
  const one = z.enum(values)
  return optional(z.union([one, z.array(one)]).transform((given): string[] => [given].flat()))
}

/** Whether one of the texts has what is searched for, however that is written. */
export function matches(search: string | undefined, ...texts: readonly string[]): boolean {
  const wanted = search?.toLowerCase() ?? ''
  return texts.some((text) => text.toLowerCase().includes(wanted))
}

const DEFAULT_LIMIT = 20

/** One page of a list that is here in full. */
export function paged<T>(
  all: readonly T[],
  { page = 1, limit = DEFAULT_LIMIT }: { page?: number | undefined; limit?: number | undefined },
) {
  return {
    items: all.slice((page - 1) * limit, page * limit),
    counts: { totalCount: all.length, page, perPage: limit },
  }
}
