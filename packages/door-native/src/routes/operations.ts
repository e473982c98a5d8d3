import { z } from 'zod'
import { pageAnswer, pageRequest } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, route, STREAMED } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { sseItem, streamItems } from '../streams.ts'
import { operationChangeJson, operationJson } from '../translate.ts'

const tag = 'operations'
const params = z.object({ id: z.string().min(1).max(64) })

export function operationRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  return [
    route({
      method: 'GET',
      path: '/operations',
      operationId: 'listOperations',
      tag,
      summary: 'List operations, newest first',
      query: schemas.listOperationsQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.operation) } },
      errors: ['not_found'],
      handle: async (call) => {
        const { state, kind, sandbox } = call.query
        const filter = { states: state, kinds: kind, sandbox }
        return pageAnswer(await api.operations.list(call.by, filter, pageRequest(call.query)), operationJson)
      },
    }),
    route({
      method: 'GET',
      path: '/operations/{id}',
      operationId: 'getOperation',
      tag,
      summary: 'One operation',
      params,
      responses: { 200: { description: 'The operation', schema: schemas.operation } },
      errors: ['not_found'],
      handle: async (call) => ({ status: 200, body: operationJson(await api.operations.get(call.by, call.params.id)) }),
    }),
    route({
      method: 'GET',
      path: '/operations/{id}/events',
      operationId: 'followOperation',
      tag,
      summary: 'Follow an operation to its end',
      description:
        'Server-sent events `operation`, one now and one at every change; the stream ends with the operation.',
      params,
      responses: { 200: { description: 'Changes', also: { 'text/event-stream': schemas.operationChange } } },
      errors: ['not_found'],
      handle: async (call) => {
        // Asked first, so that an unknown operation is an answer and not a broken stream.
        await api.operations.get(call.by, call.params.id)
        await streamItems(context, call, 'sse', changes(api.operations.follow(call.by, call.params.id, call.signal)))
        return STREAMED
      },
    }),
  ]
}

async function* changes(items: AsyncIterable<Parameters<typeof operationChangeJson>[0]>): AsyncIterable<string> {
  for await (const item of items) yield sseItem('operation', operationChangeJson(item))
}
