import { isId, type Name } from '@spawnpoint/core'
import { pageAnswer, pageRequest } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, type Call, refParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { nameJson } from '../translate.ts'

const tag = 'names'

export function nameRoutes({ api }: DoorContext): AnyRoute[] {
  const json =
    ({ by }: Pick<Call, 'by'>) =>
    async (name: Name) =>
      nameJson(name, await api.names.tags(by, name.id))
  return [
    route({
      method: 'GET',
      path: '/names',
      operationId: 'listNames',
      tag,
      summary: 'List names that have tags, newest first',
      query: schemas.listNamesQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.nameWithTags) } },
      handle: async (call) => pageAnswer(await api.names.list(call.by, pageRequest(call.query)), json(call)),
    }),
    route({
      method: 'GET',
      path: '/names/{ref}',
      operationId: 'getName',
      tag,
      summary: 'One name with its tags',
      params: refParams,
      responses: { 200: { description: 'The name', schema: schemas.nameWithTags } },
      errors: ['not_found'],
      handle: async (call) => ({
        status: 200,
        body: await json(call)(await api.names.get(call.by, call.params.ref)),
      }),
    }),
    route({
      method: 'DELETE',
      path: '/names/{ref}',
      operationId: 'deleteName',
      tag,
      summary: 'Delete a name and its tags; what they pointed to stays',
      params: refParams,
      responses: { 204: { description: 'It is gone' } },
      errors: ['not_found'],
      handle: async (call) => {
        await api.names.delete(call.by, call.params.ref)
        return { status: 204, body: undefined }
      },
    }),
    route({
      method: 'PUT',
      path: '/names/{name}/tags/{tag}',
      operationId: 'setTag',
      tag,
      summary: 'Point a tag to an image or a snapshot',
      description: 'Makes the name if there is none, and moves a tag that exists.',
      params: schemas.tagParams,
      body: schemas.setTagBody,
      responses: { 200: { description: 'The name afterwards', schema: schemas.nameWithTags } },
      errors: ['not_found', 'wrong_state'],
      handle: async (call) => {
        const { image, snapshot } = call.body
        const target =
          image === undefined
            ? { snapshotId: (await api.snapshots.get(call.by, snapshot ?? '')).id }
            : { imageId: (await api.images.get(call.by, image)).id }
        const ref = call.params.name
        const name = isId(ref) ? await api.names.get(call.by, ref) : await api.names.ensure(call.by, ref)
        await api.names.tag(call.by, name.id, [call.params.tag], target)
        return { status: 200, body: await json(call)(name) }
      },
    }),
    route({
      method: 'DELETE',
      path: '/names/{name}/tags/{tag}',
      operationId: 'removeTag',
      tag,
      summary: 'Remove a tag; what it pointed to stays',
      params: schemas.tagParams,
      responses: { 204: { description: 'It is gone' } },
      errors: ['not_found'],
      handle: async (call) => {
        await api.names.untag(call.by, call.params.name, [call.params.tag])
        return { status: 204, body: undefined }
      },
    }),
  ]
}
