import { z } from 'zod'
import { bytes, id, nullableTime, query, tagName } from './common.ts'
import { operationKind } from './operation.ts'
import { component } from './registry.ts'
import { sandboxState } from './sandbox.ts'
import { snapshot } from './snapshot.ts'

export const deleteSnapshotQuery = z.strictObject({
  ifUnused: query.flag.optional().describe('`true`: refuse while sandboxes started from it live'),
  permanent: query.flag.optional().describe('`true`: at once and for good, also one that is in the trash'),
  dry_run: query.flag.optional().describe('`true`: delete nothing, tell what would happen'),
})

export const deletePlan = component(
  'DeletePlan',
  z.object({
    snapshot,
    purgeAt: nullableTime.describe('How long it could be brought back; `null` if it would be gone at once'),
    wouldFreeBytes: bytes.describe('What the store has for it alone; they come back when it is gone for good'),
    dependents: z
      .object({
        sandboxes: z
          .array(z.object({ id, name: z.string().nullable(), state: sandboxState }))
          .describe('That live and come from it: they live on, but cannot be rolled back to it'),
        snapshots: z
          .array(z.object({ id, name: z.string().nullable() }))
          .describe('Taken of sandboxes that came from it: whole without it'),
        images: z.array(z.object({ id, name: z.string() })).describe('Being built from it'),
        tags: z.array(z.object({ name: z.string(), tag: tagName })).describe('That point to it: it gives them up'),
      })
      .describe('At most 500 of each kind, newest first'),
    waitsFor: z
      .array(z.object({ id, kind: operationKind }))
      .describe('Under way with its data, which stays until they have ended'),
    blocked: z.string().nullable().describe('Why it would be refused now; `null` if it would not'),
  }),
  { description: 'What a deletion would do' },
)
