import { invalidArgument, type SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, route } from '@spawnpoint/door-kit'
import { z } from 'zod'

const HOUR_MS = 3_600_000
const MAX_RANGE_MS = 31 * 24 * HOUR_MS
/** Hours that are looked at one by one */
const MAX_HOURS = 72
const DEFAULT_PAGE = 100

const list = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat())
const flag = z.enum(['true', 'false']).transform((text) => text === 'true')
const query = z.object({
  start_time: z.iso.datetime({ offset: true }),
  end_time: z.iso.datetime({ offset: true }),
  granularity: z.enum(['HOUR', 'RESOURCE']).default('HOUR'),
  resource_type: z.enum(['SANDBOX', 'SNAPSHOT']).optional(),
  resource_ids: list.pipe(z.array(z.string().max(64)).max(100)).optional(),
  include_totals: flag.default(false),
  include_daily: flag.default(false),
  page_size: z
    .string()
    .regex(/^\d{1,4}$/)
    .transform(Number)
    .pipe(z.number().min(1).max(1000))
    .optional(),
  cursor: z
    .string()
    .regex(/^\d{1,9}$/, 'not one of ours')
    .transform(Number)
    .optional(),
})

/** What boxes used, snapshots of theirs included. Nothing is charged here: LangSmith's units are all nought. */
export function usageRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/usage/costs',
      query,
      handle: async ({ by, query: asked }) => {
        checkTotals(asked)
        const { from, to, steps } = stepsOf(asked)
        const items: ReturnType<typeof cost>[] = []
        for (const [start, end] of steps) {
          // Snapshots are counted with the sandboxes that they are of.
          if (asked.resource_type === 'SNAPSHOT') break
          const rows = await api.usage.rows(by, { from: start, to: end, by: ['sandbox'] })
          items.push(...rows.map((row) => cost(row, start, asked.granularity)))
        }
        const wanted = items.filter(({ resource_id }) => asked.resource_ids?.includes(resource_id) ?? true)
        const at = asked.cursor ?? 0
        const next = at + (asked.page_size ?? DEFAULT_PAGE)
        return {
          status: 200,
          body: {
            items: wanted.slice(at, next),
            next_cursor: next < wanted.length ? String(next) : null,
            start_time: from.toISOString(),
            end_time: to.toISOString(),
          },
        }
      },
    }),
  ]
}

/** They are left out of an answer where a server has none, as here, but only where they could be in it. */
function checkTotals({ granularity, include_totals: totals, include_daily: daily }: z.output<typeof query>): void {
  if ((totals || daily) && granularity !== 'RESOURCE')
    throw invalidArgument('query.granularity', 'RESOURCE with include_totals')
  if (daily && !totals) throw invalidArgument('query.include_daily', 'only with include_totals')
}

function stepsOf({ start_time, end_time, granularity }: z.output<typeof query>) {
  const [from, to] = [new Date(start_time), new Date(end_time)]
  const range = to.getTime() - from.getTime()
  if (range <= 0) throw invalidArgument('query.end_time', 'must be after start_time')
  if (range > MAX_RANGE_MS) throw invalidArgument('query.end_time', 'at most 31 days after start_time')
  if (granularity === 'RESOURCE') return { from, to, steps: [[from, to]] as const }
  if (range > MAX_HOURS * HOUR_MS)
    throw invalidArgument('query.granularity', `HOUR is for at most ${MAX_HOURS} hours here; RESOURCE for more`)
  const steps: [Date, Date][] = []
  for (let at = from.getTime(); at < to.getTime(); ) {
    const end = Math.min(to.getTime(), (Math.floor(at / HOUR_MS) + 1) * HOUR_MS)
    steps.push([new Date(at), new Date(end)])
    at = end
  }
  return { from, to, steps }
}

type Row = Awaited<ReturnType<SpawnpointApi['usage']['rows']>>[number]

function cost(row: Row, start: Date, granularity: 'HOUR' | 'RESOURCE') {
  const physical = {
    vcpu_hours: decimal(row.cpuSeconds / 3600),
    memory_gib_hours: decimal(row.memoryGibSeconds / 3600),
    storage_gib_hours: decimal(row.snapshotGibHours),
  }
  return {
    resource_id: row.sandboxId ?? '',
    resource_type: 'SANDBOX',
    period_start: start.toISOString(),
    lcu: '0',
    lsu: '0',
    compute_standard_units: null,
    storage_standard_units: null,
    ...(granularity === 'RESOURCE' ? physical : {}),
  }
}

/** Up to six digits, none too many. */
function decimal(value: number): string {
  return value.toFixed(6).replace(/\.?0+$/, '')
}
