import { keyJson, teamJson } from '../account-json.ts'
import { pageAnswer, pageRequest } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, refParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { usageOfTeamsRoute } from './usage.ts'

const tag = 'teams'

export function teamRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  return [
    route({
      method: 'POST',
      path: '/teams',
      operationId: 'createTeam',
      tag,
      summary: 'Make a team',
      // No idempotency: the stored answer would hold the secret, of which only the hash may be kept.
      description: 'With its first key, whose secret is shown this once. `Idempotency-Key` has no effect here.',
      body: schemas.createTeamBody,
      responses: { 201: { description: 'The team and its first key', schema: schemas.createdTeam } },
      errors: ['name_taken'],
      handle: async (call) => {
        const { team, key, secret } = await api.teams.create(call.by, call.body)
        const body = { team: teamJson(team), key: keyJson(key), secret }
        return { status: 201, body, headers: { 'cache-control': 'no-store' } }
      },
    }),
    route({
      method: 'GET',
      path: '/teams',
      operationId: 'listTeams',
      tag,
      summary: 'List teams',
      query: schemas.listTeamsQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.team) } },
      handle: async (call) => pageAnswer(await api.teams.list(call.by, pageRequest(call.query)), teamJson),
    }),
    usageOfTeamsRoute(context),
    route({
      method: 'GET',
      path: '/teams/{ref}',
      operationId: 'getAnyTeam',
      tag,
      summary: 'One team, its limits and what of them it has used',
      params: refParams,
      responses: { 200: { description: 'The team', schema: schemas.team } },
      errors: ['not_found'],
      handle: async (call) => ({ status: 200, body: teamJson(await api.teams.get(call.by, call.params.ref)) }),
    }),
    route({
      method: 'PATCH',
      path: '/teams/{ref}',
      operationId: 'changeTeam',
      tag,
      summary: 'Change the limits of a team',
      description: 'Nothing that a team has already is taken away from it.',
      params: refParams,
      body: schemas.changeTeamBody,
      responses: { 200: { description: 'The team', schema: schemas.team } },
      errors: ['not_found'],
      handle: async (call) => ({
        status: 200,
        body: teamJson(await api.teams.update(call.by, call.params.ref, call.body)),
      }),
    }),
  ]
}
