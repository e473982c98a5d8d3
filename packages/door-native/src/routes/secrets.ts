import { pageAnswer, pageRequest } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { secretJson } from '../translate.ts'

const tag = 'secrets'

export function secretRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'PUT',
      path: '/secrets/{name}',
      operationId: 'setSecret',
      tag,
      summary: 'Store a secret, or give it another value; sandboxes whose rules use it do so with that at once',
      params: schemas.secretParams,
      body: schemas.setSecretBody,
      responses: { 200: { description: 'The secret, without its value', schema: schemas.secret } },
      errors: ['limit_exceeded'],
      handle: async (call) => ({
        status: 200,
        body: secretJson(await api.secrets.set(call.by, call.params.name, call.body)),
      }),
    }),
    route({
      method: 'GET',
      path: '/secrets',
      operationId: 'listSecrets',
      tag,
      summary: 'List secrets, newest first',
      query: schemas.listSecretsQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.secret) } },
      handle: async (call) => {
        const { nameContains } = call.query
        return pageAnswer(await api.secrets.list(call.by, { nameContains }, pageRequest(call.query)), secretJson)
      },
    }),
    route({
      method: 'GET',
      path: '/secrets/{name}',
      operationId: 'getSecret',
      tag,
      summary: 'One secret, without its value',
      params: schemas.secretParams,
      responses: { 200: { description: 'The secret', schema: schemas.secret } },
      errors: ['not_found'],
      handle: async (call) => ({ status: 200, body: secretJson(await api.secrets.get(call.by, call.params.name)) }),
    }),
    route({
      method: 'DELETE',
      path: '/secrets/{name}',
      operationId: 'deleteSecret',
      tag,
      summary: 'Forget a secret; requests that need it are refused from now on',
      params: schemas.secretParams,
      responses: { 204: { description: 'It is gone' } },
      errors: ['not_found'],
      handle: async (call) => {
        await api.secrets.delete(call.by, call.params.name)
        return { status: 204, body: undefined }
      },
    }),
  ]
}
