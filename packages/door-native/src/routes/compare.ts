import { z } from 'zod'
import { comparisonJson, textComparisonJson } from '../comparison-json.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, idParams, refParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'

const tag = 'snapshots'
const ERRORS = ['not_found', 'wrong_state', 'guest_error', 'runtime_failed'] as const

const ref = refParams.shape.ref
const twoSnapshots = z.object({ ref: ref.describe('The earlier one'), other: ref.describe('The later one') })
const sandboxAndSnapshot = z.object({ id: idParams.shape.id, snapshot: ref.describe('The earlier point') })

/** What changed between two snapshots, or since a snapshot in a sandbox. */
export function compareRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/snapshots/{ref}/diff/{other}',
      operationId: 'compareSnapshots',
      tag,
      summary: 'What is different in another snapshot',
      params: twoSnapshots,
      query: schemas.compareQuery,
      responses: { 200: { description: 'The differences', schema: schemas.comparison } },
      errors: [...ERRORS],
      handle: async ({ by, params, query, signal }) => {
        const found = await api.compare.compare(by, { snapshot: params.ref }, { snapshot: params.other }, query, signal)
        return { status: 200, body: comparisonJson(found) }
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots/{ref}/diff/{other}/text',
      operationId: 'compareSnapshotText',
      tag,
      summary: 'The difference of one text file in two snapshots',
      params: twoSnapshots,
      query: schemas.treePathQuery,
      responses: { 200: { description: 'The difference', schema: schemas.textComparison } },
      errors: [...ERRORS],
      handle: async ({ by, params, query, signal }) => {
        const [before, after] = [{ snapshot: params.ref }, { snapshot: params.other }]
        const found = await api.compare.compareText(by, before, after, query.path, signal)
        return { status: 200, body: textComparisonJson(found) }
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/diff/{snapshot}',
      operationId: 'compareSandbox',
      tag: 'sandboxes',
      summary: 'What is different in a sandbox now from a snapshot',
      description: 'The sandbox is neither woken nor stopped for it.',
      params: sandboxAndSnapshot,
      query: schemas.compareQuery,
      responses: { 200: { description: 'The differences', schema: schemas.comparison } },
      errors: [...ERRORS],
      handle: async ({ by, params, query, signal }) => {
        const [before, after] = [{ snapshot: params.snapshot }, { sandbox: params.id }]
        return { status: 200, body: comparisonJson(await api.compare.compare(by, before, after, query, signal)) }
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/diff/{snapshot}/text',
      operationId: 'compareSandboxText',
      tag: 'sandboxes',
      summary: 'The difference of one text file in a sandbox now from a snapshot',
      params: sandboxAndSnapshot,
      query: schemas.treePathQuery,
      responses: { 200: { description: 'The difference', schema: schemas.textComparison } },
      errors: [...ERRORS],
      handle: async ({ by, params, query, signal }) => {
        const [before, after] = [{ snapshot: params.snapshot }, { sandbox: params.id }]
        const found = await api.compare.compareText(by, before, after, query.path, signal)
        return { status: 200, body: textComparisonJson(found) }
      },
    }),
  ]
}
