import { Readable } from 'node:stream'
import { invalidArgument, type Principal, type SpawnpointApi, SpawnpointError, type TeamId } from '@spawnpoint/core'
import { type AnyRoute, bodyChunks, optional, route } from '@spawnpoint/door-kit'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { DoorContext } from '../context.ts'
import { originOf } from '../runtime-address.ts'
import {
  beginBuild,
  blobKey,
  buildUnderWay,
  cancelBuild,
  completeSchema,
  findBuild,
  type ImageBuild,
  listBuilds,
  missing,
  orderSchema,
  placeOrder,
  reusable,
  reuseSchema,
} from './image-builds.ts'

/** Seconds that an address for an upload is good for. */
const VALID_S = 3_600
/** Bytes of the largest upload */
const MAX_UPLOAD_BYTES = 8 * 2 ** 30
const PURPOSE = 'hyperbrowser-upload'
const UPLOAD = '/api/images/uploads/:sha256'
const MAX_LISTED = 100
const BUILD_STATUSES = [
  ...['awaiting_upload', 'upload_verified', 'dispatching', 'building', 'verifying'],
  ...['completed', 'failed', 'canceled'],
] as const

const params = z.object({ id: z.string().min(1).max(64) })
const uploadParams = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/) })
const grantSchema = z.object({
  team: z.string().max(64),
  expires: z.coerce.number().int(),
  signature: z.string().max(128),
})

/** Images from root filesystems and Dockerfiles that are sent here. `mounted` is where the door is. */
export function buildRoutes({ api }: DoorContext, mounted: string): AnyRoute[] {
  const json = async (by: Principal, { id, order, image, status }: ImageBuild) => ({
    id,
    teamId: by.teamId,
    namespace: (await api.keys.team(by)).name,
    imageName: image?.name ?? order?.imageName ?? '',
    imageId: image?.id ?? null,
    status,
    inputSha256: order?.inputSha256 ?? null,
    inputSizeBytes: order?.inputSizeBytes ?? null,
    errorCode: status === 'failed' ? 'build_failed' : null,
    errorMessage: status === 'failed' ? (image?.failure ?? null) : null,
    metadata: {
      inputFormat: order?.inputFormat ?? 'rootfs_export_tar_gz',
      sourcePlatform: order?.sourcePlatform ?? 'linux/amd64',
    },
    completedAt: image?.readyAt?.toISOString() ?? null,
    createdAt: order?.placedAt ?? image?.createdAt.toISOString() ?? null,
    updatedAt: (image?.readyAt ?? image?.createdAt)?.toISOString() ?? order?.placedAt ?? null,
  })
  const uploadJson = (by: Principal, sha256: string, request: FastifyRequest) => {
    const expires = Math.floor(Date.now() / 1_000) + VALID_S
    const signature = api.tokens.issue(PURPOSE, subject(by.teamId, sha256, expires))
    const query = new URLSearchParams({ team: by.teamId, expires: String(expires), signature })
    const { scheme, host } = originOf(request.raw)
    return {
      sha256,
      url: `${scheme}://${host}${mounted}${UPLOAD.replace(':sha256', sha256)}?${query}`,
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      objectKey: sha256,
      expiresInSeconds: VALID_S,
      maxUploadBytes: MAX_UPLOAD_BYTES,
    }
  }
  return [
    route({
      method: 'POST',
      path: '/api/images/builds',
      body: orderSchema,
      handle: async ({ by, body, request }) => {
        const running = await buildUnderWay(api, by, body.imageName)
        if (running !== null) {
          // Clients that ask for the same at the same moment wait for it together.
          const message = `An image build for ${body.imageName} is already in progress`
          return { status: 409, body: { message, code: 'image_build_in_progress', build: await json(by, running) } }
        }
        const build = await placeOrder(api, by, body)
        const uploads = (await missing(api, by, body)).map((sha256) => uploadJson(by, sha256, request))
        // Clients that know of one only send it, whether it is here or not.
        const upload = uploadJson(by, body.inputSha256, request)
        return { status: 200, body: { build: await json(by, build), upload, uploads } }
      },
    }),
    route({
      method: 'POST',
      path: '/api/images/builds/reuse',
      body: reuseSchema,
      handle: async ({ by, body }) => {
        const build = await reusable(api, by, body)
        // Of what is here otherwise nothing is sent again: that is told with the order.
        return { status: 200, body: build === null ? { hit: false } : { hit: true, build: await json(by, build) } }
      },
    }),
    route({
      method: 'GET',
      path: '/api/images/builds',
      query: z.object({ status: optional(z.enum(BUILD_STATUSES)), limit: optional(z.coerce.number().int().min(1)) }),
      handle: async ({ by, query: { status, limit = MAX_LISTED } }) => {
        const builds = await listBuilds(api, by)
        const found = builds.filter((build) => status === undefined || build.status === status)
        return {
          status: 200,
          body: { builds: await Promise.all(found.slice(0, limit).map((build) => json(by, build))) },
        }
      },
    }),
    route({
      method: 'GET',
      path: '/api/images/builds/:id',
      params,
      handle: async ({ by, params: { id } }) => ({
        status: 200,
        body: { build: await json(by, await findBuild(api, by, id)) },
      }),
    }),
    route({
      method: 'POST',
      path: '/api/images/builds/:id/complete',
      params,
      body: completeSchema,
      handle: async ({ by, params: { id }, body }) => ({
        status: 200,
        body: { build: await json(by, await beginBuild(api, by, id, body)) },
      }),
    }),
    route({
      method: 'POST',
      path: '/api/images/builds/:id/cancel',
      params,
      handle: async ({ by, params: { id } }) => ({
        status: 200,
        body: { build: await json(by, await cancelBuild(api, by, id)) },
      }),
    }),
    route({
      method: 'PUT',
      path: UPLOAD,
      params: uploadParams,
      rawBody: true,
      handle: async (call) => {
        const length = Number(call.request.headers['content-length'] ?? 0)
        if (length > MAX_UPLOAD_BYTES) throw invalidArgument('body', `at most ${MAX_UPLOAD_BYTES} bytes`)
        const body = Readable.from(bodyChunks(call), { objectMode: false })
        await api.blobs.put(call.by, blobKey(call.params.sha256), body)
        return { status: 200, body: {} }
      },
    }),
  ]
}

/** Files are sent by whoever has the address for them, without a key. */
export function isUpload({ method, routeOptions }: FastifyRequest): boolean {
  return method === 'PUT' && routeOptions.url?.endsWith(UPLOAD) === true
}

/** Whose address it is. Rejects `unauthenticated` if it is no address of this server, or not any more. */
export function uploader(api: SpawnpointApi, request: FastifyRequest): Principal {
  const given = uploadParams.safeParse(request.params)
  const grant = grantSchema.safeParse(request.query)
  if (given.success && grant.success) {
    const { team, expires, signature } = grant.data
    const genuine = api.tokens.verify(PURPOSE, subject(team, given.data.sha256, expires), signature)
    if (genuine && expires * 1_000 > Date.now()) return { teamId: team as TeamId, keyId: null }
  }
  throw new SpawnpointError('unauthenticated', 'The upload address is not valid, or not any more', {})
}

function subject(team: string, sha256: string, expires: number): string {
  return `${team}/${sha256}/${expires}`
}
