import { type Event, invalidArgument } from '@spawnpoint/core'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, type Call, idParams, route, STREAMED } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { sseItem, streamItems } from '../streams.ts'
import { eventJson } from '../translate.ts'

const tag = 'events'
const DESCRIPTION =
  'With `Accept: text/event-stream`: everything after `cursor` (or `Last-Event-ID`), then what comes; `cursor=now` is only what comes. With a heartbeat every 15 s. Otherwise a page, oldest first.'

export function eventRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  const responses = {
    200: {
      description: 'A page, or the stream',
      schema: schemas.pageOf(schemas.event),
      also: { 'text/event-stream': schemas.event },
    },
  }

  async function answer(
    call: Call<unknown, { cursor?: number | 'now' | undefined; limit?: number | undefined }>,
    sandbox: string | undefined,
  ) {
    if (/\btext\/event-stream\b/.test(call.request.headers.accept ?? '')) {
      const known = lastEventId(call)
      const after = known ?? (await number(call, call.query.cursor))
      // Asked first, so that a cursor too old is an answer and not a broken stream.
      await api.events.list(call.by, { sandbox }, after, 1)
      // Told at once: who loses the connection before the first event still knows where to go on.
      const start = known === undefined && call.query.cursor === 'now' ? [`id: ${after}\n\n`] : []
      await streamItems(context, call, 'sse', items(start, api.events.follow(call.by, { sandbox }, after, call.signal)))
      return STREAMED
    }
    const limit = call.query.limit ?? 50
    const found = await api.events.list(call.by, { sandbox }, await number(call, call.query.cursor), limit)
    const last = found.at(-1)
    const nextCursor = last !== undefined && found.length === limit ? String(last.seq) : null
    return { status: 200 as const, body: { items: found.map(eventJson), nextCursor } }
  }

  async function number(call: Call, cursor: number | 'now' | undefined): Promise<number> {
    return cursor === 'now' ? api.events.latest(call.by) : (cursor ?? 0)
  }

  return [
    route({
      method: 'GET',
      path: '/events',
      operationId: 'listEvents',
      tag,
      summary: 'What happened',
      description: DESCRIPTION,
      query: schemas.listEventsQuery,
      responses,
      errors: ['not_found', 'cursor_expired'],
      handle: async (call) => {
        if (call.query.sandbox !== undefined) await api.sandboxes.get(call.by, call.query.sandbox)
        return answer(call, call.query.sandbox)
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/events',
      operationId: 'listEventsOfSandbox',
      tag,
      summary: 'What happened to a sandbox',
      description: DESCRIPTION,
      params: idParams,
      query: schemas.listEventsOfSandboxQuery,
      responses,
      errors: ['not_found', 'cursor_expired'],
      handle: async (call) => {
        // Asked first, so that an unknown sandbox is an answer and not a broken stream.
        const sandbox = await api.sandboxes.get(call.by, call.params.id)
        return answer(call, sandbox.id)
      },
    }),
  ]
}

function lastEventId(call: Call): number | undefined {
  const given = call.request.headers['last-event-id']
  if (given === undefined || given === '') return undefined
  if (typeof given !== 'string' || !/^\d{1,15}$/.test(given))
    throw invalidArgument('Last-Event-ID', 'Expected a whole number')
  return Number(given)
}

async function* items(start: string[], events: AsyncIterable<Event>): AsyncIterable<string> {
  yield* start
  for await (const event of events) yield sseItem(event.type, eventJson(event), event.seq)
}
