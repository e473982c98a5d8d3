import { Readable } from 'node:stream'
import { bodyChunks } from '@spawnpoint/door-kit'
import type { DoorContext } from '../door-context.ts'
import { type AnyRoute, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'

const tag = 'blobs'

export function blobRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/blobs/{key}',
      operationId: 'findBlob',
      tag,
      summary: 'Whether a file for builds is there already',
      params: schemas.blobParams,
      responses: { 200: { description: 'Whether it is', schema: schemas.blobPresence } },
      handle: async (call) => {
        const { key } = call.params
        return { status: 200, body: { key, present: await api.blobs.has(call.by, key) } }
      },
    }),
    route({
      method: 'PUT',
      path: '/blobs/{key}',
      operationId: 'putBlob',
      tag,
      summary: 'Send a file for builds to copy from',
      description:
        'A tar archive, plain or gzip. Of a key `sha256:HEX` the content must have this digest. Removed when nothing has used it for 30 days.',
      params: schemas.blobParams,
      rawBody: true,
      responses: { 201: { description: 'It is stored', schema: schemas.storedBlob } },
      errors: ['payload_too_large', 'disk_full'],
      handle: async (call) => {
        const { key } = call.params
        const body = Readable.from(bodyChunks(call), { objectMode: false })
        return { status: 201, body: { key, ...(await api.blobs.put(call.by, key, body)) } }
      },
    }),
    route({
      method: 'DELETE',
      path: '/blobs/{key}',
      operationId: 'deleteBlob',
      tag,
      summary: 'Delete a file for builds; images that were built with it stay',
      params: schemas.blobParams,
      responses: { 204: { description: 'It is gone' } },
      handle: async (call) => {
        await api.blobs.delete(call.by, call.params.key)
        return { status: 204, body: undefined }
      },
    }),
  ]
}
