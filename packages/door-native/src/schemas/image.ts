import type { ImageSource, ImageState } from '@spawnpoint/core'
import { z } from 'zod'
import { bytes, env, id, imageName, labels, nullableTime, pageQuery, query, time } from './common.ts'
import { component } from './registry.ts'

const states = ['building', 'ready', 'failed', 'deleting'] as const satisfies readonly ImageState[]
const imageState = z.enum(states)
const user = z.string().min(1).max(128)
const startCommand = z.array(z.string().max(32 * 1024)).max(256)

export const imageSource = component(
  'ImageSource',
  z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('debian'),
      suite: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'Expected the name of a Debian suite'),
      packages: z
        .array(z.string().regex(/^[a-z0-9][a-z0-9+.:-]{0,127}$/, 'Expected the name of a Debian package'))
        .max(512),
    }),
    z.strictObject({ type: z.literal('tar'), path: z.string().min(1).max(4096).describe('Tar archive on the server') }),
  ]) satisfies z.ZodType<ImageSource>,
  { examples: [{ type: 'debian', suite: 'bookworm', packages: ['python3', 'git'] }] },
)

export const buildImageBody = component(
  'BuildImage',
  z.strictObject({
    name: imageName.describe('May be used again; it then means the latest ready one'),
    source: imageSource,
    defaults: z
      .strictObject({
        env: env.exactOptional(),
        user: user.exactOptional(),
        workdir: z.string().min(1).max(4096).exactOptional(),
        startCommand: startCommand.exactOptional(),
      })
      .optional()
      .describe('What every sandbox made from it starts with'),
    labels: labels.optional(),
  }),
  { examples: [{ name: 'python', source: { type: 'debian', suite: 'bookworm', packages: ['python3'] } }] },
)

export const listImagesQuery = z.strictObject({
  ...pageQuery,
  name: imageName.optional(),
  state: query.many(imageState, states.length).optional(),
})

export const image = component(
  'Image',
  z.object({
    id,
    name: z.string(),
    state: imageState,
    failure: z.string().nullable(),
    source: imageSource,
    defaults: z.object({ env, user: z.string(), workdir: z.string(), startCommand: z.array(z.string()) }),
    sizeBytes: bytes.describe('Bytes of the root filesystem'),
    labels,
    createdAt: time,
    readyAt: nullableTime,
  }),
)
