import type { UsageRequest, UsageRow } from '@spawnpoint/core'
import type { z } from 'zod'
import { auditJson, usageCsv } from '../account-json.ts'
import { pageAnswer, pageRequest } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, type Call, route, STREAMED } from '../route.ts'
import * as schemas from '../schemas/index.ts'

const DAY_MS = 86_400_000
const DEFAULT_DAYS = 30
const DESCRIPTION =
  'From the records of the lives of sandboxes and snapshots, kept for 400 days; see `docs/usage.md`. With `format=csv` or `Accept: text/csv` as comma-separated values with a header.'
const responses = {
  200: { description: 'The sums', schema: schemas.usageRows, also: { 'text/csv': null } },
}

export function usageRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/usage',
      operationId: 'usage',
      tag: 'usage',
      summary: 'What the team has used',
      description: DESCRIPTION,
      query: schemas.usageQuery,
      responses,
      errors: ['limit_exceeded'],
      handle: async (call) => {
        const request = requestOf(call.query)
        return answer(call, await api.usage.rows(call.by, request), request.by)
      },
    }),
    route({
      method: 'GET',
      path: '/audit',
      operationId: 'listAudit',
      tag: 'audit',
      summary: 'Who has asked for what',
      description: 'Every call that changes something, also one that was refused; newest first, kept for 90 days.',
      query: schemas.auditQuery,
      responses: { 200: { description: 'A page', schema: schemas.auditPage } },
      handle: async (call) => {
        const { limit, cursor, ...filter } = call.query
        return pageAnswer(await api.audit.list(call.by, filter, pageRequest({ limit, cursor })), auditJson)
      },
    }),
  ]
}

/** Before the routes of one team, which would take `usage` for its name. */
export function usageOfTeamsRoute({ api }: DoorContext): AnyRoute {
  return route({
    method: 'GET',
    path: '/teams/usage',
    operationId: 'usageOfTeams',
    tag: 'teams',
    summary: 'What each team has used',
    description: DESCRIPTION,
    query: schemas.usageOfTeamsQuery,
    responses,
    errors: ['not_found', 'limit_exceeded'],
    handle: async (call) => {
      const { team, ...query } = call.query
      const request = requestOf(query)
      return answer(call, await api.usage.ofTeams(call.by, { ...request, team }), ['team', ...request.by])
    },
  })
}

type Query = z.output<typeof schemas.usageQuery>

function requestOf({ from, to = new Date(), by = [] }: Query): UsageRequest {
  return { from: from ?? new Date(to.getTime() - DEFAULT_DAYS * DAY_MS), to, by }
}

async function answer(
  { query, request, reply }: Call<unknown, Query>,
  rows: UsageRow[],
  by: readonly ('team' | 'day' | 'sandbox')[],
) {
  const csv = query.format === undefined ? /\btext\/csv\b/.test(request.headers.accept ?? '') : query.format === 'csv'
  if (!csv) return { status: 200 as const, body: { items: rows } }
  await reply.type('text/csv; charset=utf-8').send(usageCsv(rows, by))
  return STREAMED
}
