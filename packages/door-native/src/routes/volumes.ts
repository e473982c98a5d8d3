import { pageAnswer, pageRequest } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, refParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { volumeJson } from '../translate.ts'

const tag = 'volumes'

export function volumeRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/volumes',
      operationId: 'createVolume',
      tag,
      summary: 'Make an empty volume',
      body: schemas.createVolumeBody,
      responses: { 201: { description: 'The volume', schema: schemas.volume } },
      errors: ['name_taken', 'limit_exceeded', 'disk_full'],
      handle: async (call) => ({ status: 201, body: volumeJson(await api.volumes.create(call.by, call.body)) }),
    }),
    route({
      method: 'GET',
      path: '/volumes',
      operationId: 'listVolumes',
      tag,
      summary: 'List volumes, newest first',
      query: schemas.listVolumesQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.volume) } },
      handle: async (call) => {
        const { nameContains } = call.query
        return pageAnswer(await api.volumes.list(call.by, { nameContains }, pageRequest(call.query)), volumeJson)
      },
    }),
    route({
      method: 'GET',
      path: '/volumes/{ref}',
      operationId: 'getVolume',
      tag,
      summary: 'One volume, by id or name',
      params: refParams,
      responses: { 200: { description: 'The volume', schema: schemas.volume } },
      errors: ['not_found'],
      handle: async (call) => ({ status: 200, body: volumeJson(await api.volumes.get(call.by, call.params.ref)) }),
    }),
    route({
      method: 'GET',
      path: '/volumes/{ref}/usage',
      operationId: 'getVolumeUsage',
      tag,
      summary: 'What it holds',
      params: refParams,
      responses: { 200: { description: 'Its usage', schema: schemas.volumeUsage } },
      errors: ['not_found'],
      handle: async (call) => ({ status: 200, body: await api.volumes.usage(call.by, call.params.ref) }),
    }),
    route({
      method: 'PATCH',
      path: '/volumes/{ref}',
      operationId: 'updateVolume',
      tag,
      summary: 'Change how much a volume holds, also while it is mounted',
      params: refParams,
      body: schemas.updateVolumeBody,
      responses: { 200: { description: 'The volume', schema: schemas.volume } },
      errors: ['not_found'],
      handle: async (call) => ({
        status: 200,
        body: volumeJson(await api.volumes.resize(call.by, call.params.ref, call.body)),
      }),
    }),
    route({
      method: 'DELETE',
      path: '/volumes/{ref}',
      operationId: 'deleteVolume',
      tag,
      summary: 'Delete a volume with all that is in it',
      params: refParams,
      responses: { 204: { description: 'It is gone' } },
      errors: ['not_found', 'in_use'],
      handle: async (call) => {
        await api.volumes.delete(call.by, call.params.ref)
        return { status: 204, body: undefined }
      },
    }),
  ]
}
