import { startedAnswer } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, refParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { snapshotJson } from '../translate.ts'

const tag = 'snapshots'
const responses = {
  200: { description: 'The snapshot with what was found', schema: schemas.snapshot },
  202: { description: 'Accepted; `Location` names the operation', schema: schemas.snapshot },
}

/** Whether snapshots are still worth something. */
export function verificationRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/snapshots/{ref}/check',
      operationId: 'checkSnapshot',
      tag,
      summary: 'Read a snapshot back',
      description:
        "Its files are compared with the store's checksums, its memory with digests from when it was first read. `checkFailure` says what is wrong; if nothing is, `checkedAt` is now. The server does this of itself, every week by default.",
      params: refParams,
      query: schemas.waitOnly,
      responses,
      errors: ['not_found', 'wrong_state', 'operation_in_progress', 'cancelled', 'runtime_failed', 'unavailable'],
      handle: async (call) =>
        startedAnswer(call, await api.snapshots.check(call.by, call.params.ref), 200, snapshotJson),
    }),
    route({
      method: 'POST',
      path: '/snapshots/{ref}/drill',
      operationId: 'drillSnapshot',
      tag,
      summary: 'Try whether a sandbox starts from a snapshot',
      description:
        'In a sandbox that nobody sees and that reaches nothing outside; it is removed afterwards. `checkFailure` says what went wrong; if nothing did, `verifiedAt` is now.',
      params: refParams,
      query: schemas.waitOnly,
      body: schemas.drillBody,
      responses,
      errors: [
        'not_found',
        'wrong_state',
        'operation_in_progress',
        'cancelled',
        'disk_full',
        'runtime_failed',
        'unavailable',
      ],
      handle: async (call) =>
        startedAnswer(call, await api.snapshots.drill(call.by, call.params.ref, call.body), 200, snapshotJson),
    }),
  ]
}
