import { z } from 'zod'
import { keyJson, teamJson } from '../account-json.ts'
import { pageAnswer, pageRequest } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'

const tag = 'keys'

export function keyRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/keys',
      operationId: 'createKey',
      tag,
      summary: 'Make an API key',
      // No idempotency: the stored answer would hold the secret, of which only the hash may be kept.
      description: 'The secret is shown this once. `Idempotency-Key` has no effect here.',
      body: schemas.createKeyBody,
      responses: { 201: { description: 'The key and its secret', schema: schemas.createdKey } },
      errors: ['limit_exceeded'],
      handle: async (call) => {
        const { key, secret } = await api.keys.create(call.by, call.body)
        return { status: 201, body: { key: keyJson(key), secret }, headers: { 'cache-control': 'no-store' } }
      },
    }),
    route({
      method: 'GET',
      path: '/keys',
      operationId: 'listKeys',
      tag,
      summary: 'List API keys',
      query: schemas.listKeysQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.apiKey) } },
      handle: async (call) => pageAnswer(await api.keys.list(call.by, pageRequest(call.query)), keyJson),
    }),
    route({
      method: 'GET',
      path: '/keys/self',
      operationId: 'getOwnKey',
      tag,
      summary: 'The API key of this request: whose it is and what it may do',
      responses: { 200: { description: 'The key', schema: schemas.apiKey } },
      errors: ['not_found'],
      handle: async (call) => ({ status: 200, body: keyJson(await api.keys.self(call.by)) }),
    }),
    route({
      method: 'DELETE',
      path: '/keys/{id}',
      operationId: 'revokeKey',
      tag,
      summary: 'Revoke an API key',
      params: z.object({ id: z.string().min(1).max(64) }),
      responses: { 204: { description: 'It no longer works' } },
      errors: ['not_found'],
      handle: async (call) => {
        await api.keys.revoke(call.by, call.params.id)
        return { status: 204, body: undefined }
      },
    }),
    route({
      method: 'GET',
      path: '/team',
      operationId: 'getTeam',
      tag,
      summary: 'The team this key belongs to',
      responses: { 200: { description: 'The team', schema: schemas.team } },
      handle: async (call) => ({ status: 200, body: teamJson(await api.keys.team(call.by)) }),
    }),
    route({
      method: 'PATCH',
      path: '/team',
      operationId: 'updateTeam',
      tag,
      summary: 'Change the settings of the team this key belongs to',
      body: schemas.updateTeamBody,
      responses: { 200: { description: 'The team', schema: schemas.team } },
      errors: ['quota_exceeded'],
      handle: async (call) => ({ status: 200, body: teamJson(await api.keys.updateTeam(call.by, call.body)) }),
    }),
  ]
}
