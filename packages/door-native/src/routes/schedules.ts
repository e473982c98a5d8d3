import { pageAnswer, pageRequest } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, idParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { scheduleJson } from '../translate.ts'

const tag = 'schedules'

export function scheduleRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/schedules',
      operationId: 'createSchedule',
      tag,
      summary: 'Take snapshots of a sandbox at set times',
      body: schemas.createScheduleBody,
      responses: { 201: { description: 'The schedule', schema: schemas.schedule } },
      errors: ['not_found', 'limit_exceeded'],
      handle: async (call) => ({ status: 201, body: scheduleJson(await api.schedules.create(call.by, call.body)) }),
    }),
    route({
      method: 'GET',
      path: '/schedules',
      operationId: 'listSchedules',
      tag,
      summary: 'List schedules, newest first',
      query: schemas.listSchedulesQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.schedule) } },
      errors: ['not_found'],
      handle: async (call) => {
        const { sandbox } = call.query
        return pageAnswer(await api.schedules.list(call.by, { sandbox }, pageRequest(call.query)), scheduleJson)
      },
    }),
    route({
      method: 'GET',
      path: '/schedules/{id}',
      operationId: 'getSchedule',
      tag,
      summary: 'One schedule with its latest and its next tick',
      params: idParams,
      responses: { 200: { description: 'The schedule', schema: schemas.schedule } },
      errors: ['not_found'],
      handle: async (call) => ({ status: 200, body: scheduleJson(await api.schedules.get(call.by, call.params.id)) }),
    }),
    route({
      method: 'PATCH',
      path: '/schedules/{id}',
      operationId: 'updateSchedule',
      tag,
      summary: 'Change a schedule, or switch it on or off',
      params: idParams,
      body: schemas.updateScheduleBody,
      responses: { 200: { description: 'The schedule afterwards', schema: schemas.schedule } },
      errors: ['not_found'],
      handle: async (call) => ({
        status: 200,
        body: scheduleJson(await api.schedules.update(call.by, call.params.id, call.body)),
      }),
    }),
    route({
      method: 'DELETE',
      path: '/schedules/{id}',
      operationId: 'deleteSchedule',
      tag,
      summary: 'Delete a schedule; the snapshots it took stay',
      params: idParams,
      responses: { 204: { description: 'It is gone' } },
      errors: ['not_found'],
      handle: async (call) => {
        await api.schedules.delete(call.by, call.params.id)
        return { status: 204, body: undefined }
      },
    }),
  ]
}
