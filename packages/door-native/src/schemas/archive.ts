import { z } from 'zod'
import { bytes, labels, ref, snapshotName, tagName } from './common.ts'
import { component } from './registry.ts'

export const credentials = z
  .strictObject({ username: z.string().min(1).max(256), password: z.string().max(16 * 1024) })
  .describe('Kept nowhere')

export const awsCredentials = z
  .strictObject({
    aws: z.strictObject({
      region: z.string().min(1).max(64).describe('As in `eu-west-1`: whose registries are asked'),
      accessKeyId: z.string().min(1).max(256),
      secretAccessKey: z
        .string()
        .min(1)
        .max(16 * 1024),
    }),
  })
  .describe('Keys of an account at AWS, for a password to its registries. Kept nowhere')

export const pushBody = component(
  'Push',
  z.strictObject({
    reference: z
      .string()
      .min(1)
      .max(512)
      .describe(
        'As for `docker push`; or `oci:NAME[:TAG]`, `oci-archive:NAME[:TAG]`, `docker-archive:NAME[:IMAGE]` for a layout or file in the exports directory of the server',
      ),
    registry: ref.optional().describe('Stored registry, by id or name; default the one at the same address'),
    credentials: credentials.optional(),
  }),
  { examples: [{ reference: 'registry.example/team/app:1' }] },
)

export const pullSnapshotBody = component(
  'PullSnapshot',
  pushBody.extend({
    name: snapshotName.optional().describe('Instead of the one it had'),
    tag: tagName.optional(),
    labels: labels.optional().describe('Added to its own'),
  }),
  { examples: [{ reference: 'registry.example/team/ready:1', name: 'ready' }] },
)

export const pushed = component(
  'Pushed',
  z.object({
    reference: z.string().describe('In full'),
    digest: z.string().describe('Of the manifest: what to pull it by, whatever its tag means later'),
    sizeBytes: bytes.describe('Bytes of all that belongs to it, packed'),
  }),
)
