import { type Event, isCode, type Principal } from '@spawnpoint/core'
import { type AnyRoute, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../door-context.ts'
import { sandboxId } from '../ids.ts'
import { type TemplateIdentity, templateLookup } from '../template-names.ts'

const BATCH = 1000
/** Of the latest so many of the ledger's events at most are looked at. */
const LOOKED_AT = 20_000
const LIMIT = 20

/** What is told of a sandbox's life, by the state it came to and how. */
const NAMES: Record<string, string> = {
  'running ready': 'created',
  'running done': 'resumed',
  paused: 'paused',
  stopped: 'paused',
  failed: 'failed',
  killed: 'killed',
}

const flag = optional(z.enum(['true', 'false']).transform((text) => text === 'true'))
const time = optional(z.coerce.number().min(0))

export function eventRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/sandboxes/events',
      query: z.object({
        startTime: time,
        endTime: time,
        sandboxID: optional(z.string().max(160)),
        templateID: optional(z.string().max(256)),
        events: optional(z.string().max(1000)),
        state: optional(z.string().max(100)),
        orderAsc: flag,
        offset: optional(z.coerce.number().int().min(0)),
        limit: optional(z.coerce.number().int().min(1).max(BATCH)),
      }),
      handle: async (call) => {
        const { query } = call
        const { offset = 0, limit = LIMIT } = query
        const sandbox = query.sandboxID === undefined ? undefined : sandboxId(query.sandboxID)
        const wanted = query.events?.split(',')
        const told = await itemsOf(call.by, sandbox).catch(noneOfNobody)
        const items = told.filter(
          (item) =>
            (query.startTime === undefined || item.recordAt >= milliseconds(query.startTime)) &&
            (query.endTime === undefined || item.recordAt <= milliseconds(query.endTime)) &&
            (query.templateID === undefined || item.templateID === query.templateID) &&
            (wanted === undefined || wanted.includes(item.eventName)) &&
            (query.state === undefined || item.state === query.state),
        )
        if (query.orderAsc !== true) items.reverse()
        const page = items.slice(offset, offset + limit)
        return { status: 200, body: { items: page, total: items.length, hasMore: offset + page.length < items.length } }
      },
    }),
  ]

  async function itemsOf(by: Principal, sandbox: string | undefined) {
    const templates = templateLookup(api, by)
    const known = new Map<string, Promise<TemplateIdentity | null>>()
    const templateOf = (id: string) => {
      const found = known.get(id) ?? api.sandboxes.get(by, id).then(templates, unknownSandbox)
      known.set(id, found)
      return found
    }
    const told = (await eventsOf(by, sandbox)).flatMap((event) => {
      const name = eventName(event)
      return name === null || event.sandboxId === null ? [] : [{ event, name, sandboxID: event.sandboxId }]
    })
    return Promise.all(
      told.map(async ({ event, name, sandboxID }) => {
        const template = await templateOf(sandboxID)
        return {
          eventID: String(event.seq),
          recordAt: event.at.getTime(),
          templateID: template?.templateID ?? '',
          templateName: template?.alias ?? '',
          sandboxID,
          eventName: name,
          state: event.type.slice('sandbox.'.length),
          errorMsg: '',
          statusCode: 200,
        }
      }),
    )
  }

  async function eventsOf(by: Principal, sandbox: string | undefined): Promise<Event[]> {
    const from = Math.max(0, (await api.events.latest(by)) - LOOKED_AT)
    try {
      return await eventsAfter(by, sandbox, from)
    } catch (error) {
      if (!isCode(error, 'cursor_expired')) throw error
      return eventsAfter(by, sandbox, 0) // all that are kept are fewer
    }
  }

  async function eventsAfter(by: Principal, sandbox: string | undefined, from: number): Promise<Event[]> {
    const events: Event[] = []
    for (;;) {
      const batch = await api.events.list(by, { sandbox }, events.at(-1)?.seq ?? from, BATCH)
      events.push(...batch)
      if (batch.length < BATCH) return events
    }
  }
}

function eventName({ type, data }: Event): string | null {
  if (!type.startsWith('sandbox.')) return null
  const state = type.slice('sandbox.'.length)
  // A snapshot ends in the state `running` too; nobody was resumed by it.
  if (data.from === 'snapshotting') return null
  return NAMES[`${state} ${data.event}`] ?? NAMES[state] ?? null
}

/** What is asked for is a filter: nothing is told of a sandbox that is not there, or was so long ago. */
function noneOfNobody(error: unknown): never[] {
  if (isCode(error, 'not_found')) return []
  throw error
}

function unknownSandbox(error: unknown): null {
  if (isCode(error, 'not_found')) return null
  throw error
}

/** Times are given in seconds or in milliseconds: what would be after the year 5000 in seconds is the latter. */
function milliseconds(given: number): number {
  return given > 1e11 ? given : given * 1000
}
