import type { BuildStep, ImageSource, ImageState } from '@spawnpoint/core'
import { z } from 'zod'
import { awsCredentials, credentials } from './archive.ts'
import {
  blobKey,
  bytes,
  env,
  id,
  imageName,
  labelQuery,
  labels,
  nullableTime,
  pageQuery,
  query,
  ref,
  tagName,
  time,
} from './common.ts'
import { component } from './registry.ts'
import { partialResources } from './sandbox.ts'

const states = ['building', 'ready', 'failed', 'deleting'] as const satisfies readonly ImageState[]
const imageState = z.enum(states)
const user = z.string().min(1).max(128)
const startCommand = z.array(z.string().max(32 * 1024)).max(256)

const command = z
  .string()
  .min(1)
  .max(64 * 1024)
const path = z.string().min(1).max(4096)
const force = z.boolean().optional().describe('Run it, and all that follow, whatever earlier builds left')

export const buildStep = component(
  'BuildStep',
  z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('run'),
      command: command.describe('For a login shell, bash where the image has one'),
      user: user.optional(),
      force,
    }),
    z.strictObject({
      type: z.literal('copy'),
      blob: blobKey.optional().describe('Key of an uploaded tar archive, plain or gzip'),
      fromImage: ref.optional().describe('Image whose files are copied, in place of `blob`'),
      source: path.describe(
        'Path in the archive or image, with `*`, `?` and `[...]`; of a directory its content is copied',
      ),
      destination: path.describe('Relative to the working directory; a directory if it ends with `/` or is one'),
      user: user.optional().describe('Owner of all that is copied; default the user at this step'),
      mode: z.number().int().min(0).max(0o7777).optional().describe('Permission bits of all that is copied'),
      force,
    }),
    z.strictObject({ type: z.literal('env'), env, force }),
    z.strictObject({ type: z.literal('workdir'), path: path.describe('Made if missing'), force }),
    z.strictObject({ type: z.literal('user'), user, force }),
  ]) satisfies z.ZodType<BuildStep>,
  { examples: [{ type: 'run', command: 'pip install requests' }] },
)

const debian = z.strictObject({
  type: z.literal('debian'),
  suite: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'Expected the name of a Debian suite'),
  packages: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9+.:-]{0,127}$/, 'Expected the name of a Debian package'))
    .max(512),
})
const tar = z.strictObject({ type: z.literal('tar'), path: path.describe('Tar archive on the server') })
const recipe = z.strictObject({
  type: z.literal('recipe'),
  from: ref.describe('Image or snapshot that the first step finds'),
  steps: z.array(buildStep).max(1000),
  startCommand: command
    .optional()
    .describe('Shell command that runs when a sandbox boots; it already runs in every sandbox of the image'),
  readyCommand: command
    .optional()
    .describe('Shell command that succeeds once the start command has done its part; without it, 20 s are waited'),
  force,
})
const dockerfile = z.strictObject({
  type: z.literal('dockerfile'),
  dockerfile: z
    .string()
    .min(1)
    .max(2 ** 20)
    .optional()
    .describe('The text itself; absent, that of `path` in the context'),
  path: path.optional().describe('Where it is in the context, and what messages call it; default `Dockerfile`'),
  context: z
    .union([blobKey, z.array(blobKey).max(1024)])
    .optional()
    .describe('Keys of uploaded tar archives, plain or gzip, laid over each other: what COPY and ADD find'),
  files: z
    .record(path, blobKey)
    .optional()
    .describe('Keys of uploads that are files of the context by themselves, by their paths in it'),
  buildArgs: env.optional().describe("Values for its ARGs. They stay in the image's record: not for secrets"),
  target: z.string().min(1).max(128).optional().describe('Name or number of the stage to build; default the last'),
  force,
  pull: z.boolean().optional().describe('Ask registries for images that were pulled before, too'),
})
const oci = z.strictObject({
  type: z.literal('oci'),
  reference: z
    .string()
    .min(1)
    .max(512)
    .describe(
      'As for `docker pull`; or `oci:NAME[:TAG]`, `oci-archive:NAME[:TAG]`, `docker-archive:NAME[:IMAGE]` for a layout or file in the imports directory of the server',
    ),
})

const layerKey = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const layers = z.strictObject({
  type: z.literal('layers'),
  config: layerKey.describe("Upload that is the image's config, as OCI and Docker have it"),
  layers: z.array(layerKey).max(256).describe('Uploads that are its layers, lowest first: tar, plain, gzip or zstd'),
})

export const buildSource = component(
  'BuildSource',
  z.discriminatedUnion('type', [debian, tar, recipe, dockerfile, oci, layers]) satisfies z.ZodType<ImageSource>,
  { examples: [{ type: 'oci', reference: 'python:3.13-slim' }] },
)

export const imageSource = component(
  'ImageSource',
  z.discriminatedUnion('type', [
    debian,
    tar,
    recipe,
    dockerfile,
    oci.extend({
      registryId: id.exactOptional().describe('Stored registry whose password was used'),
      digest: z.string().exactOptional().describe('What the reference stood for when it was pulled'),
    }),
    layers,
  ]),
)

export const buildImageBody = component(
  'BuildImage',
  z.strictObject({
    name: imageName.describe('May be used again; it then means the latest ready one'),
    tags: z
      .array(tagName)
      .max(64)
      .optional()
      .describe('Tags of the name that point to the image once it is ready; `default` is what the bare name means'),
    source: buildSource,
    registry: ref
      .optional()
      .describe('Stored registry, by id or name, to pull from; default the one at the same address'),
    credentials: z.union([credentials, awsCredentials]).optional(),
    secrets: z
      .record(z.string(), z.string())
      .optional()
      .describe('By id, for the steps of a Dockerfile that ask for them with `RUN --mount=type=secret`. Kept nowhere'),
    defaults: z
      .strictObject({
        env: env.exactOptional(),
        user: user.exactOptional(),
        workdir: z.string().min(1).max(4096).exactOptional(),
        startCommand: startCommand.exactOptional(),
      })
      .optional()
      .describe('What every sandbox made from it starts with'),
    resources: partialResources.optional().describe('Of its sandboxes unless told, and of the build of a recipe'),
    labels: labels.optional(),
  }),
  { examples: [{ name: 'python', source: { type: 'debian', suite: 'bookworm', packages: ['python3'] } }] },
)

export const deleteImageQuery = z.strictObject({
  ifUnused: query.flag.optional().describe('`true`: refuse while sandboxes started from it live'),
})

export const listImagesQuery = z.strictObject({
  ...pageQuery,
  name: imageName.optional(),
  state: query.many(imageState, states.length).optional(),
  label: labelQuery,
})

export const image = component(
  'Image',
  z.object({
    id,
    name: z.string(),
    state: imageState,
    failure: z.string().nullable(),
    source: imageSource,
    defaults: z.object({
      env,
      user: z.string(),
      workdir: z.string(),
      startCommand: z.array(z.string()),
      entrypoint: z
        .array(z.string())
        .exactOptional()
        .describe("What `startCommand` begins with however else it goes on, as a Dockerfile's ENTRYPOINT"),
      exposedPorts: z
        .array(z.number().int())
        .exactOptional()
        .describe('TCP ports that its programs listen on, as an image from a registry says'),
      idle: z
        .boolean()
        .exactOptional()
        .describe('The start command is only for whoever asks what the image would run: sandboxes boot without it'),
    }),
    tags: z.array(z.string()).describe('`NAME:TAG` of each tag that points to it'),
    resources: partialResources.describe('Of its sandboxes unless told; what is absent comes from the server'),
    startsFromMemory: z.boolean().describe('In its sandboxes the start command runs already, with its memory'),
    parentImageId: id.nullable().describe('Image that its recipe began with'),
    sizeBytes: bytes.describe('Bytes of the root filesystem'),
    labels,
    createdAt: time,
    readyAt: nullableTime,
  }),
)
