import { pageAnswer, pageRequest } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, refParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { registryJson } from '../translate.ts'

const tag = 'registries'

export function registryRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/registries',
      operationId: 'createRegistry',
      tag,
      summary: 'Store where images are kept, and as whom they are got',
      body: schemas.createRegistryBody,
      responses: { 201: { description: 'The registry', schema: schemas.registry } },
      errors: ['name_taken', 'limit_exceeded'],
      handle: async (call) => ({ status: 201, body: registryJson(await api.registries.create(call.by, call.body)) }),
    }),
    route({
      method: 'GET',
      path: '/registries',
      operationId: 'listRegistries',
      tag,
      summary: 'List registries, newest first',
      query: schemas.listRegistriesQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.registry) } },
      handle: async (call) => {
        const { nameContains } = call.query
        return pageAnswer(await api.registries.list(call.by, { nameContains }, pageRequest(call.query)), registryJson)
      },
    }),
    route({
      method: 'GET',
      path: '/registries/{ref}',
      operationId: 'getRegistry',
      tag,
      summary: 'One registry, by id or name',
      params: refParams,
      responses: { 200: { description: 'The registry', schema: schemas.registry } },
      errors: ['not_found'],
      handle: async (call) => ({ status: 200, body: registryJson(await api.registries.get(call.by, call.params.ref)) }),
    }),
    route({
      method: 'PATCH',
      path: '/registries/{ref}',
      operationId: 'updateRegistry',
      tag,
      summary: 'Change a registry, or its password',
      params: refParams,
      body: schemas.updateRegistryBody,
      responses: { 200: { description: 'The registry afterwards', schema: schemas.registry } },
      errors: ['not_found', 'name_taken'],
      handle: async (call) => ({
        status: 200,
        body: registryJson(await api.registries.update(call.by, call.params.ref, call.body)),
      }),
    }),
    route({
      method: 'DELETE',
      path: '/registries/{ref}',
      operationId: 'deleteRegistry',
      tag,
      summary: 'Forget a registry; images that came from it stay',
      params: refParams,
      responses: { 204: { description: 'It is gone' } },
      errors: ['not_found'],
      handle: async (call) => {
        await api.registries.delete(call.by, call.params.ref)
        return { status: 204, body: undefined }
      },
    }),
  ]
}
