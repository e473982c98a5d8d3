import type { FileEvent, Guest, Principal } from '@spawnpoint/core'
import { bodyChunks, roomFor } from '@spawnpoint/door-kit'
import { holdActive } from '@spawnpoint/gateway'
import { z } from 'zod'
import { defined } from '../defined.ts'
import type { DoorContext } from '../door-context.ts'
import { answerContent, CONTENT_RESPONSES } from '../file-content.ts'
import { type AnyRoute, idParams, route, STREAMED } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { ndjsonItem, sseItem, streamItems } from '../streams.ts'
import { fileJson } from '../translate.ts'

const tag = 'files'
const LIST_DEFAULT = 1000
const ERRORS = ['not_found', 'wrong_state', 'stale_incarnation', 'guest_unresponsive', 'guest_error'] as const

const octal = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number.parseInt(text, 8)

export function fileRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  const guestOf = async (by: Principal, id: string): Promise<Guest> => (await api.sandboxes.guest(by, id)).guest

  return [
    route({
      method: 'GET',
      path: '/sandboxes/{id}/files',
      operationId: 'listFiles',
      tag,
      summary: 'List a directory',
      params: idParams,
      query: schemas.listFilesQuery,
      responses: { 200: { description: 'Entries, sorted by path', schema: schemas.fileList } },
      errors: [...ERRORS],
      handle: async (call) => {
        const { path, user, depth = 1, limit = LIST_DEFAULT } = call.query
        const guest = await guestOf(call.by, call.params.id)
        // One more than wanted tells whether there are more.
        const found = await guest.files.list(path, {
          depth,
          limit: limit + 1,
          room: roomFor(call).room,
          ...defined({ user }),
        })
        return { status: 200, body: { items: found.slice(0, limit).map(fileJson), truncated: found.length > limit } }
      },
    }),
    route({
      method: 'DELETE',
      path: '/sandboxes/{id}/files',
      operationId: 'removeFile',
      tag,
      summary: 'Remove a file or directory',
      params: idParams,
      query: schemas.removeFileQuery,
      responses: { 204: { description: 'It is gone' } },
      errors: [...ERRORS],
      handle: async (call) => {
        const { path, user, recursive } = call.query
        await (await guestOf(call.by, call.params.id)).files.remove(path, defined({ user, recursive }))
        return { status: 204, body: undefined }
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/files/stat',
      operationId: 'statFile',
      tag,
      summary: 'What is at a path',
      params: idParams,
      query: schemas.pathQuery,
      responses: { 200: { description: 'The file', schema: schemas.fileInfo } },
      errors: [...ERRORS],
      handle: async (call) => {
        const guest = await guestOf(call.by, call.params.id)
        return {
          status: 200,
          body: fileJson(await guest.files.stat(call.query.path, defined({ user: call.query.user }))),
        }
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/files/content',
      operationId: 'readFile',
      tag,
      summary: 'Read a file',
      description:
        'Honours `Range: bytes=…` with one range. A connection that breaks before the end means that bytes are missing.',
      params: idParams,
      query: schemas.pathQuery,
      responses: CONTENT_RESPONSES,
      errors: [...ERRORS],
      handle: async (call) => {
        const { path, user } = call.query
        const guest = await guestOf(call.by, call.params.id)
        using _ = holdActive(api, call.by, call.params.id)
        return answerContent(call, {
          stat: () => guest.files.stat(path, defined({ user })),
          read: (range) => guest.files.read(path, { ...range, ...defined({ user }), signal: call.signal }),
        })
      },
    }),
    route({
      method: 'PUT',
      path: '/sandboxes/{id}/files/content',
      operationId: 'writeFile',
      tag,
      summary: 'Write a file',
      description:
        'The body as it is, of any size. The file appears whole or not at all (unless `append`); missing parents are made.',
      params: idParams,
      query: schemas.writeFileQuery,
      rawBody: true,
      responses: { 200: { description: 'The file', schema: schemas.fileInfo } },
      errors: [...ERRORS],
      handle: async (call) => {
        const { path, user, mode, exclusive, append } = call.query
        const guest = await guestOf(call.by, call.params.id)
        using _ = holdActive(api, call.by, call.params.id)
        const options = defined({ user, mode: octal(mode), exclusive, append })
        return { status: 200, body: fileJson(await guest.files.write(path, bodyChunks(call), options)) }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/{id}/files/mkdir',
      operationId: 'makeDirectory',
      tag,
      summary: 'Make a directory',
      params: idParams,
      body: schemas.mkdirBody,
      responses: { 201: { description: 'The directory', schema: schemas.fileInfo } },
      errors: [...ERRORS],
      handle: async (call) => {
        const { path, user, mode, parents } = call.body
        const guest = await guestOf(call.by, call.params.id)
        return {
          status: 201,
          body: fileJson(await guest.files.mkdir(path, defined({ user, mode: octal(mode), parents }))),
        }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/{id}/files/move',
      operationId: 'moveFile',
      tag,
      summary: 'Move or rename',
      params: idParams,
      body: schemas.moveBody,
      responses: { 200: { description: 'The file at its new place', schema: schemas.fileInfo } },
      errors: [...ERRORS],
      handle: async (call) => {
        const guest = await guestOf(call.by, call.params.id)
        return {
          status: 200,
          body: fileJson(await guest.files.move(call.body.from, call.body.to, defined({ user: call.body.user }))),
        }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/{id}/files/chmod',
      operationId: 'changeFileMode',
      tag,
      summary: 'Change permission bits',
      params: idParams,
      body: schemas.chmodBody,
      responses: { 204: { description: 'Changed' } },
      errors: [...ERRORS],
      handle: async (call) => {
        const guest = await guestOf(call.by, call.params.id)
        await guest.files.chmod(call.body.path, Number.parseInt(call.body.mode, 8))
        return { status: 204, body: undefined }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/{id}/files/chown',
      operationId: 'changeFileOwner',
      tag,
      summary: 'Change the owner',
      params: idParams,
      body: schemas.chownBody,
      responses: { 204: { description: 'Changed' } },
      errors: [...ERRORS],
      handle: async (call) => {
        const guest = await guestOf(call.by, call.params.id)
        await guest.files.chown(call.body.path, call.body.owner)
        return { status: 204, body: undefined }
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/files/xattrs',
      operationId: 'getFileAttributes',
      tag,
      summary: 'Extended attributes',
      params: idParams,
      query: schemas.onlyPathQuery,
      responses: { 200: { description: 'All of them', schema: schemas.xattrs } },
      errors: [...ERRORS],
      handle: async (call) => {
        const guest = await guestOf(call.by, call.params.id)
        return { status: 200, body: { attributes: await guest.files.getXattr(call.query.path) } }
      },
    }),
    route({
      method: 'PUT',
      path: '/sandboxes/{id}/files/xattrs',
      operationId: 'setFileAttributes',
      tag,
      summary: 'Set extended attributes',
      params: idParams,
      query: schemas.onlyPathQuery,
      body: schemas.xattrBody,
      responses: { 204: { description: 'Set' } },
      errors: [...ERRORS],
      handle: async (call) => {
        const guest = await guestOf(call.by, call.params.id)
        await guest.files.setXattr(call.query.path, call.body.attributes)
        return { status: 204, body: undefined }
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/files/watch',
      operationId: 'watchFiles',
      tag,
      summary: 'Follow changes in a directory',
      description:
        'Server-sent events: `ready` once changes are seen, then `change` for each. With `Accept: application/x-ndjson` a line for each; a blank line is a heartbeat.',
      params: idParams,
      query: schemas.watchQuery,
      responses: {
        200: {
          description: 'Changes',
          also: { 'text/event-stream': WATCHED, 'application/x-ndjson': schemas.fileEvent },
        },
      },
      errors: [...ERRORS],
      handle: async (call) => {
        const { path, user, recursive = false } = call.query
        const guest = await guestOf(call.by, call.params.id)
        using _ = holdActive(api, call.by, call.params.id)
        const changes = await guest.files.watch(path, { recursive, ...defined({ user }), signal: call.signal })
        const lines = /\bapplication\/x-ndjson\b/.test(call.request.headers.accept ?? '')
        if (lines) await streamItems(context, call, 'plainNdjson', changeLines(changes))
        else await streamItems(context, call, 'sse', changeItems(path, changes))
        return STREAMED
      },
    }),
  ]
}

/** Data of `ready`, and of `change`. */
const WATCHED = z.union([z.strictObject({ path: z.string() }), schemas.fileEvent])

async function* changeItems(path: string, changes: AsyncIterable<FileEvent>): AsyncIterable<string> {
  yield sseItem('ready', { path })
  for await (const { type, path, fileType } of changes) yield sseItem('change', { type, path, fileType })
}

async function* changeLines(changes: AsyncIterable<FileEvent>): AsyncIterable<string> {
  for await (const { type, path, fileType } of changes) yield ndjsonItem({ type, path, fileType })
}
