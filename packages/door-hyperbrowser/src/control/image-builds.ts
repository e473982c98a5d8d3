import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  BUILD_CANCELLED,
  type BuildImageRequest,
  type Image,
  invalidArgument,
  type Principal,
  type Resources,
  type SpawnpointApi,
  SpawnpointError,
} from '@spawnpoint/core'
import { everyPage, optional } from '@spawnpoint/door-kit'
import { z } from 'zod'

/** Label of an image with the id that its build was given before it began. */
const BUILD_LABEL = 'hyperbrowser.build'
/** Label of an image that was made of a local one of Docker's, with what follows from all that went into it. */
const SOURCE_LABEL = 'hyperbrowser.source'
/** Orders that are looked through for a list */
const MAX_ORDERS = 500

const sha256 = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, 'must be a SHA-256 in hex')
  .transform((hex) => hex.toLowerCase())
const sizeBytes = z
  .number()
  .int()
  .min(0)
  .max(2 ** 43)
const FORMATS = [
  'rootfs_export_tar_gz',
  'dockerfile_context_tar_gz',
  'dockerfile_context_manifest_v1',
  'docker_image_manifest_v1',
] as const
/** Characters of an image's config in base64 */
const MAX_CONFIG_CHARS = 2 ** 20

const imageName = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "letters, digits, '.', '_' and '-'")
const imageInit = optional(
  z.object({
    env: optional(z.record(z.string(), z.string())),
    command: optional(z.string().max(4096)),
    args: optional(z.array(z.string().max(4096)).max(256)),
    workingDir: optional(z.string().max(4096)),
  }),
)
const imageConfigUser = optional(z.string().max(128))
const sourcePlatform = optional(z.literal('linux/amd64'))
const digest = z
  .string()
  .regex(/^sha256:[0-9a-fA-F]{64}$/, 'sha256: and 64 hex digits')
  .transform((text) => text.toLowerCase())

/** What a local image of Docker's would come to, asked before it is sent. */
export const reuseSchema = z.object({
  imageName,
  sourceImageDigest: digest,
  sourcePlatform,
  imageConfigUser,
  imageInit,
})

/** What a build is asked for before its files are sent. */
export const orderSchema = z.object({
  imageName,
  inputSha256: sha256,
  inputSizeBytes: sizeBytes,
  inputFormat: optional(z.enum(FORMATS)),
  sourcePlatform,
  imageConfigUser,
  imageInit,
  // Of what it is built in
  vcpus: optional(z.number().positive()),
  memMiB: optional(z.number().positive()),
  scratchMiB: optional(z.number().positive()),
  dockerfilePath: optional(z.string().min(1).max(4096)),
  contextManifest: optional(
    z.object({
      dockerfilePath: z.string().min(1).max(4096),
      bundles: z.array(z.object({ sha256, sizeBytes })).min(1).max(512),
    }),
  ),
  dockerImageManifest: optional(
    z.object({
      imageDigest: optional(digest),
      config: z.object({ sha256, dataBase64: z.base64().max(MAX_CONFIG_CHARS) }),
      layers: z.array(z.object({ sha256, sizeBytes })).max(256),
    }),
  ),
})
export type BuildOrder = z.output<typeof orderSchema>

/** As it is kept; one that an older server has kept has no time. */
const keptSchema = orderSchema.extend({ placedAt: optional(z.string().max(32)) })
export type KeptOrder = z.output<typeof keptSchema>

export const completeSchema = z.object({
  inputSha256: sha256,
  inputSizeBytes: sizeBytes,
  inputFormat: optional(z.string().max(64)),
})

/** How far a build has got. */
export interface ImageBuild {
  id: string
  /** `null` once it is forgotten, a day after it was placed */
  order: KeptOrder | null
  image: Image | null
  status: 'awaiting_upload' | 'upload_verified' | 'building' | 'completed' | 'failed' | 'canceled'
}

/** Keeps an order for a day, also if the server dies meanwhile. */
export async function placeOrder(api: SpawnpointApi, by: Principal, asked: BuildOrder): Promise<ImageBuild> {
  const order: KeptOrder = { ...asked, placedAt: new Date().toISOString() }
  if (order.inputFormat === 'dockerfile_context_manifest_v1' && order.contextManifest === undefined)
    throw invalidArgument('contextManifest', 'is needed for this inputFormat')
  if (order.inputFormat === 'docker_image_manifest_v1') await putConfig(api, by, order)
  const id = randomUUID()
  const place = async () => ({ status: 202, body: order })
  await api.idempotency.once(by, key('order', id), key('order', id), place, { keep: true })
  return { id, order, image: null, status: await statusOf(api, by, order, null, false) }
}

/** Rejects `not_found` if there is none. */
export async function findBuild(api: SpawnpointApi, by: Principal, id: string): Promise<ImageBuild> {
  const [image = null] = (await api.images.list(by, { labels: { [BUILD_LABEL]: id } }, { limit: 1 })).items
  const [kept] = await api.idempotency.answers(by, key('order', id), 1)
  const order = kept === undefined ? null : keptSchema.parse(kept.body)
  if (image === null && order === null)
    throw new SpawnpointError('not_found', `Image build not found: ${id}`, { resource: 'route', ref: id })
  return { id, order, image, status: await statusOf(api, by, order, image, await isCanceled(api, by, id)) }
}

/** Those that have begun, and orders of a day that have not, newest first. */
export async function listBuilds(api: SpawnpointApi, by: Principal): Promise<ImageBuild[]> {
  const images = await everyPage((page) => api.images.list(by, {}, page))
  const begun = new Map(
    images.flatMap((image) => (image.labels[BUILD_LABEL] ? [[image.labels[BUILD_LABEL], image]] : [])),
  )
  const orders = new Map<string, KeptOrder>()
  for (const { key: under, body } of await api.idempotency.answers(by, key('order', ''), MAX_ORDERS))
    orders.set(idOf(under), keptSchema.parse(body))
  const canceled = new Set(
    (await api.idempotency.answers(by, key('cancel', ''), MAX_ORDERS)).map((one) => idOf(one.key)),
  )
  const builds = await Promise.all(
    [...new Set([...begun.keys(), ...orders.keys()])].map(async (id) => {
      const [order, image] = [orders.get(id) ?? null, begun.get(id) ?? null]
      return { id, order, image, status: await statusOf(api, by, order, image, canceled.has(id)) }
    }),
  )
  const placed = ({ order, image }: ImageBuild) => order?.placedAt ?? image?.createdAt.toISOString() ?? ''
  return builds.sort((one, other) => (placed(one) < placed(other) ? 1 : -1))
}

/** One of this name that is being built: the vendor's server has one at a time. */
export async function buildUnderWay(api: SpawnpointApi, by: Principal, name: string): Promise<ImageBuild | null> {
  const { items } = await api.images.list(by, { name, states: ['building'] }, { limit: 100 })
  const id = items.flatMap(({ labels }) => labels[BUILD_LABEL] ?? [])[0]
  return id === undefined ? null : findBuild(api, by, id)
}

/** The build of what the name stands for, if it was made of just that. */
export async function reusable(
  api: SpawnpointApi,
  by: Principal,
  asked: z.output<typeof reuseSchema>,
): Promise<ImageBuild | null> {
  const { items } = await api.images.list(by, { name: asked.imageName, states: ['ready'] }, { limit: 1 })
  const { [SOURCE_LABEL]: source, [BUILD_LABEL]: id } = items[0]?.labels ?? {}
  if (id === undefined || source !== sourceKey(asked.sourceImageDigest, asked)) return null
  return findBuild(api, by, id)
}

/** Uploads that are not there yet, by their SHA-256. */
export async function missing(api: SpawnpointApi, by: Principal, order: BuildOrder): Promise<string[]> {
  const found: string[] = []
  for (const hex of uploadsOf(order)) if (!(await api.blobs.has(by, blobKey(hex)))) found.push(hex)
  return found
}

export function blobKey(hex: string): string {
  return `sha256:${hex}`
}

/** Begins a build whose files are there; once, however often it is asked for. */
export async function beginBuild(
  api: SpawnpointApi,
  by: Principal,
  id: string,
  given: z.output<typeof completeSchema>,
): Promise<ImageBuild> {
  const build = await findBuild(api, by, id)
  const { order, status } = build
  if (build.image !== null) return build
  if (order === null || status === 'canceled') throw wrongState(id, status)
  if (order.inputSha256 !== given.inputSha256 || order.inputSizeBytes !== given.inputSizeBytes)
    throw invalidArgument('inputSha256', 'is not what the build was created with')
  if (status === 'awaiting_upload') throw wrongState(id, status)
  const begin = key('begin', id)
  await api.idempotency.once(by, begin, begin, async (tied) => {
    const { value } = await api.images.build(tied, { ...requestOf(id, order), builder: builderOf(order, api.limits) })
    return { status: 202, body: value.id }
  })
  // Whoever cancelled it meanwhile did not find it begun.
  if (await isCanceled(api, by, id)) return cancelBuild(api, by, id)
  return findBuild(api, by, id)
}

/** Ends it, whether it has begun or not; one that was canceled is so again. Rejects `wrong_state` for one that is over. */
export async function cancelBuild(api: SpawnpointApi, by: Principal, id: string): Promise<ImageBuild> {
  const before = await findBuild(api, by, id)
  if (before.status === 'canceled') return before
  if (before.status === 'completed' || before.status === 'failed') throw wrongState(id, before.status)
  const cancel = key('cancel', id)
  await api.idempotency.once(by, cancel, cancel, async () => ({ status: 200, body: true }), { keep: true })
  const { image } = await findBuild(api, by, id)
  if (image?.state === 'building') await api.images.cancel(by, image.id)
  return findBuild(api, by, id)
}

async function isCanceled(api: SpawnpointApi, by: Principal, id: string): Promise<boolean> {
  return (await api.idempotency.answers(by, key('cancel', id), 1)).length > 0
}

/** The config comes with the order; the rest is sent like any upload. Rejects `invalid_argument` if it is another one. */
async function putConfig(api: SpawnpointApi, by: Principal, { dockerImageManifest }: BuildOrder): Promise<void> {
  if (dockerImageManifest === undefined) throw invalidArgument('dockerImageManifest', 'is needed for this inputFormat')
  const { config } = dockerImageManifest
  const data = Buffer.from(config.dataBase64, 'base64')
  await api.blobs.put(by, blobKey(config.sha256), Readable.from([data]))
}

function sourceOf(order: BuildOrder): BuildImageRequest['source'] {
  const { inputFormat = 'rootfs_export_tar_gz', inputSha256, contextManifest, dockerImageManifest } = order
  if (inputFormat === 'docker_image_manifest_v1' && dockerImageManifest !== undefined) {
    const { config, layers } = dockerImageManifest
    return { type: 'layers', config: blobKey(config.sha256), layers: layers.map((layer) => blobKey(layer.sha256)) }
  }
  if (inputFormat === 'rootfs_export_tar_gz') {
    const dockerfile = 'FROM scratch\nADD rootfs.tar.gz /\n'
    return { type: 'dockerfile', dockerfile, files: { 'rootfs.tar.gz': blobKey(inputSha256) } }
  }
  const path = contextManifest?.dockerfilePath ?? order.dockerfilePath
  return { type: 'dockerfile', context: uploadsOf(order).map(blobKey), ...(path === undefined ? {} : { path }) }
}

function requestOf(id: string, order: BuildOrder): BuildImageRequest {
  const { imageInit: { env, command, args = [], workingDir } = {}, imageConfigUser } = order
  const imageDigest = order.dockerImageManifest?.imageDigest
  return {
    name: order.imageName,
    source: sourceOf(order),
    defaults: {
      // ENTRYPOINT and CMD of an image are not taken over here; clients that want them say them as arguments alone.
      startCommand: command === undefined || command === '' ? args : [command, ...args],
      ...(env === undefined ? {} : { env }),
      ...(imageConfigUser === undefined || imageConfigUser === '' ? {} : { user: imageConfigUser }),
      ...(workingDir === undefined || workingDir === '' ? {} : { workdir: workingDir }),
    },
    labels: {
      [BUILD_LABEL]: id,
      ...(imageDigest === undefined ? {} : { [SOURCE_LABEL]: sourceKey(imageDigest, order) }),
    },
  }
}

/** The same for what would come to the same image. */
function sourceKey(
  imageDigest: string,
  { imageConfigUser = '', imageInit }: Pick<BuildOrder, 'imageConfigUser' | 'imageInit'>,
): string {
  const variables = Object.entries(imageInit?.env ?? {}).sort(([one], [other]) => (one < other ? -1 : 1))
  const start = [imageInit?.command ?? '', imageInit?.args ?? [], imageInit?.workingDir ?? '']
  return createHash('sha256')
    .update(JSON.stringify([imageDigest, imageConfigUser, variables, start]))
    .digest('hex')
}

const MIB = 2 ** 20

/** As much of what is asked for as this server and its sandboxes have; a build is not refused for wanting more. */
function builderOf(order: BuildOrder, { maxResources: most }: SpawnpointApi['limits']): Partial<Resources> {
  const { vcpus, memMiB, scratchMiB } = order
  const within = (asked: number, least: number, most: number) => Math.min(Math.max(asked, least), most)
  return {
    ...(vcpus === undefined ? {} : { cpus: within(vcpus, 0.5, most.cpus) }),
    ...(memMiB === undefined ? {} : { memoryBytes: within(Math.floor(memMiB * MIB), 256 * MIB, most.memoryBytes) }),
    ...(scratchMiB === undefined
      ? {}
      : { diskBytes: within(Math.floor(scratchMiB * MIB), 1024 * MIB, most.diskBytes) }),
  }
}

function uploadsOf({ contextManifest, dockerImageManifest, inputSha256 }: BuildOrder): string[] {
  const parts = contextManifest?.bundles ?? dockerImageManifest?.layers
  return parts === undefined ? [inputSha256] : [...new Set(parts.map((part) => part.sha256))]
}

async function statusOf(
  api: SpawnpointApi,
  by: Principal,
  order: BuildOrder | null,
  image: Image | null,
  canceled: boolean,
): Promise<ImageBuild['status']> {
  // One that a restart has ended before it was canceled is canceled all the same.
  if (image?.state === 'failed') return canceled || image.failure === BUILD_CANCELLED ? 'canceled' : 'failed'
  if (image !== null) return image.state === 'building' ? 'building' : 'completed'
  if (canceled || order === null) return 'canceled'
  return (await missing(api, by, order)).length > 0 ? 'awaiting_upload' : 'upload_verified'
}

function wrongState(id: string, state: string): SpawnpointError<'wrong_state'> {
  const context = { resource: 'image', id, state, request: 'build' } as const
  return new SpawnpointError('wrong_state', `The image build is ${state}`, context)
}

function key(what: string, id: string): string {
  return `hyperbrowser-${what}:${id}`
}

/** The build that something is kept of. */
function idOf(key: string): string {
  return key.slice(key.indexOf(':') + 1)
}
