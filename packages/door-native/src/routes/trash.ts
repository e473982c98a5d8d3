import type { DeletePlan } from '@spawnpoint/core'
import type { z } from 'zod'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, refParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { snapshotJson } from '../translate.ts'

const tag = 'snapshots'

/** Deletions of snapshots, and the way back. */
export function trashRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'DELETE',
      path: '/snapshots/{ref}',
      operationId: 'deleteSnapshot',
      tag,
      summary: 'Delete a snapshot; sandboxes started from it live on',
      description:
        'It goes into the trash and can be brought back until its `purgeAt`, for as long as the team keeps deleted ones. With `permanent`, and if it has failed, it is gone at once. Either way restores under way are let finish.',
      params: refParams,
      query: schemas.deleteSnapshotQuery,
      responses: {
        200: { description: 'Dry run: what would happen', schema: schemas.deletePlan },
        202: { description: 'It is in the trash', schema: schemas.snapshot },
        204: { description: 'It is gone' },
      },
      errors: ['not_found', 'in_use', 'operation_in_progress'],
      handle: async ({ by, params: { ref }, query: { dry_run: dryRun = false, ...options } }) => {
        if (dryRun) return { status: 200, body: planJson(await api.snapshots.deletePlan(by, ref, options)) }
        const trashed = await api.snapshots.delete(by, ref, options)
        return trashed === null ? { status: 204, body: undefined } : { status: 202, body: snapshotJson(trashed) }
      },
    }),
    route({
      method: 'POST',
      path: '/snapshots/{ref}/restore-from-trash',
      operationId: 'restoreSnapshotFromTrash',
      tag,
      summary: 'Bring a deleted snapshot back',
      description:
        'With the tags that nothing else has got meanwhile. A name means the latest that went into the trash. One that is not there is answered as it is.',
      params: refParams,
      responses: { 200: { description: 'The snapshot, ready', schema: schemas.snapshot } },
      errors: ['not_found', 'quota_exceeded'],
      handle: async ({ by, params: { ref } }) => ({
        status: 200,
        body: snapshotJson(await api.snapshots.undelete(by, ref)),
      }),
    }),
  ]
}

function planJson({ purgeAt, ...plan }: DeletePlan): z.output<typeof schemas.deletePlan> {
  return { ...plan, snapshot: snapshotJson(plan.snapshot), purgeAt: purgeAt?.toISOString() ?? null }
}
