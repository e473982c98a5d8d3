import type { Image, Principal } from '@spawnpoint/core'
import { labelsOf, pageRequest, startedAnswer } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { PUSH_ERRORS, pushAnswer } from '../push-answer.ts'
import { type AnyRoute, refParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { imageJson, logEntryJson } from '../translate.ts'

const tag = 'images'
const LOG_PAGE = 100

export function imageRoutes({ api }: DoorContext): AnyRoute[] {
  const tagsOf = async (by: Principal, images: Image[]) => {
    const found = await api.names.tagsOf(
      by,
      images.map(({ id }) => id),
    )
    return (id: string) =>
      found.filter(({ tag }) => tag.imageId === id).map(({ name, tag }) => `${name.name}:${tag.tag}`)
  }
  const json = (by: Principal) => async (image: Image) => imageJson(image, (await tagsOf(by, [image]))(image.id))
  return [
    route({
      method: 'POST',
      path: '/images',
      operationId: 'buildImage',
      tag,
      summary: 'Build an image',
      description: "Takes minutes; `?wait=false` and the operation's events are the usual way.",
      query: schemas.waitOnly,
      body: schemas.buildImageBody,
      responses: {
        201: { description: 'The image, ready', schema: schemas.image },
        202: { description: 'Accepted; `Location` names the operation', schema: schemas.image },
      },
      errors: [
        ...(['limit_exceeded', 'disk_full', 'payload_too_large', 'runtime_failed', 'unavailable', 'timeout'] as const),
        // What a registry said
        ...(['not_found', 'forbidden', 'rate_limited', 'incompatible'] as const),
        // What a recipe came to
        'build_failed',
      ],
      idempotent: true,
      handle: async (call) =>
        startedAnswer(
          call,
          await api.images.build(call.by, call.body),
          201,
          json(call.by),
          ({ id }) => `/v1/images/${id}`,
        ),
    }),
    route({
      method: 'GET',
      path: '/images',
      operationId: 'listImages',
      tag,
      summary: 'List images, newest first',
      query: schemas.listImagesQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.image) } },
      handle: async (call) => {
        const { name, state, label } = call.query
        const filter = { name, states: state, labels: labelsOf(label) }
        const page = await api.images.list(call.by, filter, pageRequest(call.query))
        const tags = await tagsOf(call.by, page.items)
        const items = page.items.map((image) => imageJson(image, tags(image.id)))
        return { status: 200, body: { items, nextCursor: page.next } }
      },
    }),
    route({
      method: 'GET',
      path: '/images/{ref}',
      operationId: 'getImage',
      tag,
      summary: 'One image',
      params: refParams,
      responses: { 200: { description: 'The image', schema: schemas.image } },
      errors: ['not_found'],
      handle: async (call) => ({
        status: 200,
        body: await json(call.by)(await api.images.get(call.by, call.params.ref)),
      }),
    }),
    route({
      method: 'GET',
      path: '/images/{ref}/log',
      operationId: 'getBuildLog',
      tag,
      summary: 'What the build of an image did and printed',
      description: 'Complete once the image is ready or failed; of a failed one the last entry says why.',
      params: refParams,
      query: schemas.buildLogQuery,
      responses: { 200: { description: 'Entries in their order', schema: schemas.buildLog } },
      errors: ['not_found'],
      handle: async (call) => {
        const { offset = 0, limit = LOG_PAGE } = call.query
        const entries = await api.images.log(call.by, call.params.ref, { offset, limit })
        return { status: 200, body: { entries: entries.map(logEntryJson), nextOffset: offset + entries.length } }
      },
    }),
    route({
      method: 'POST',
      path: '/images/{ref}/cancel',
      operationId: 'cancelBuild',
      tag,
      summary: 'Cancel the build of an image',
      description:
        'By its id. Answers once nothing of the build is left: the image has failed, and says that it was cancelled.',
      params: refParams,
      responses: { 200: { description: 'The image, which has failed', schema: schemas.image } },
      errors: ['not_found', 'wrong_state', 'unavailable'],
      handle: async (call) => ({
        status: 200,
        body: await json(call.by)(await api.images.cancel(call.by, call.params.ref)),
      }),
    }),
    route({
      method: 'POST',
      path: '/images/{ref}/push',
      operationId: 'pushImage',
      tag,
      summary: 'Put an image, or the files of a snapshot, where any container engine finds it',
      description:
        'An ordinary OCI image of one layer, with environment, user, working directory and start command. Variables given to a sandbox do not go along.',
      params: refParams,
      query: schemas.waitOnly,
      body: schemas.pushBody,
      responses: {
        200: { description: 'It is there', schema: schemas.pushed },
        202: { description: 'Accepted; the operation', schema: schemas.operation },
      },
      errors: PUSH_ERRORS,
      idempotent: true,
      handle: async (call) => pushAnswer(call, api, await api.archives.pushImage(call.by, call.params.ref, call.body)),
    }),
    route({
      method: 'DELETE',
      path: '/images/{ref}',
      operationId: 'deleteImage',
      tag,
      summary: 'Delete an image; sandboxes and snapshots made from it live on',
      params: refParams,
      query: schemas.deleteImageQuery,
      responses: { 204: { description: 'It is gone' } },
      errors: ['not_found', 'wrong_state', 'in_use'],
      handle: async (call) => {
        await api.images.delete(call.by, call.params.ref, call.query)
        return { status: 204, body: undefined }
      },
    }),
  ]
}
