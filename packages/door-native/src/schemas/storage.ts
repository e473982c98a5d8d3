import { z } from 'zod'
import { bytes, time } from './common.ts'
import { component } from './registry.ts'

export const teamStorage = component(
  'TeamStorage',
  z.object({
    storage: z
      .object({
        uniqueBytes: bytes.describe(
          "Nothing of another team refers to these: what would come back if the team's things went",
        ),
        sharedBytes: bytes.describe('Things of other teams refer to these as well'),
        snapshots: z.number().int(),
        images: z.number().int(),
        roots: z.number().int().describe('Sandboxes that have files of their own, running or not, and volumes'),
        at: time.describe('When it was measured'),
      })
      .nullable()
      .describe('`null` until it was measured, some minutes after the team has something'),
  }),
)
