import { posix } from 'node:path'
import { streamBytes } from '@spawnpoint/door-kit'
import { holdActive } from '@spawnpoint/gateway'
import { pageAnswer } from '../answers.ts'
import { censusJson, matchesJson } from '../comparison-json.ts'
import type { DoorContext } from '../door-context.ts'
import { answerContent, CONTENT_RESPONSES } from '../file-content.ts'
import { type AnyRoute, idParams, refParams, route, STREAMED } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { fileJson } from '../translate.ts'

const tag = 'snapshots'
const ERRORS = ['not_found', 'wrong_state', 'guest_error', 'runtime_failed'] as const

/** The files of snapshots, without starting them. */
export function browseRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  return [
    route({
      method: 'GET',
      path: '/snapshots/{ref}/files',
      operationId: 'listSnapshotFiles',
      tag,
      summary: 'List a directory of a snapshot',
      description:
        'A directory comes before what is in it. `/tmp`, `/var/tmp`, `/run` and `/dev/shm` are memory, not files.',
      params: refParams,
      query: schemas.browseFilesQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.fileInfo) } },
      errors: [...ERRORS],
      handle: async (call) => {
        const { path, depth, limit, cursor } = call.query
        const request = { depth, limit, after: cursor }
        return pageAnswer(await api.browse.list(call.by, call.params.ref, path, request, call.signal), fileJson)
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots/{ref}/files/stat',
      operationId: 'statSnapshotFile',
      tag,
      summary: 'What is at a path of a snapshot',
      params: refParams,
      query: schemas.treePathQuery,
      responses: { 200: { description: 'The file', schema: schemas.fileInfo } },
      errors: [...ERRORS],
      handle: async (call) => {
        const { path } = call.query
        return { status: 200, body: fileJson(await api.browse.stat(call.by, call.params.ref, path, call.signal)) }
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots/{ref}/files/content',
      operationId: 'readSnapshotFile',
      tag,
      summary: 'Read a file of a snapshot',
      description:
        'Honours `Range: bytes=…` with one range. A connection that breaks before the end means that bytes are missing.',
      params: refParams,
      query: schemas.treePathQuery,
      responses: CONTENT_RESPONSES,
      errors: [...ERRORS],
      handle: async (call) => {
        const { by, params, signal } = call
        const { path } = call.query
        return answerContent(call, {
          // Of what a link leads to, as the bytes are.
          stat: async () => {
            const { info, body } = await api.browse.read(by, params.ref, path, { length: 0, signal })
            body.destroy()
            return info
          },
          read: (range) => api.browse.read(by, params.ref, path, { ...range, signal }),
        })
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots/{ref}/files/archive',
      operationId: 'archiveSnapshotFiles',
      tag,
      summary: 'A directory or file of a snapshot as a tar archive',
      description: 'Owners are told by number; FIFOs, devices and sockets are left out.',
      params: refParams,
      query: schemas.treePathQuery,
      responses: { 200: { description: 'The archive', also: { 'application/x-tar': null } } },
      errors: [...ERRORS],
      handle: async (call) => {
        const { path } = call.query
        const archive = await api.browse.pack(call.by, call.params.ref, path, call.signal)
        const name = encodeURIComponent(posix.basename(posix.normalize(path)) || 'root')
        const headers = {
          'content-type': 'application/x-tar',
          'x-content-type-options': 'nosniff',
          'content-disposition': `attachment; filename*=UTF-8''${name}.tar`,
        }
        await streamBytes(call, 200, headers, archive, null)
        return STREAMED
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots/{ref}/files/search',
      operationId: 'searchSnapshotFiles',
      tag,
      summary: 'Find files of a snapshot by name, content or both',
      params: refParams,
      query: schemas.searchFilesQuery,
      responses: { 200: { description: 'What was found', schema: schemas.fileMatches } },
      errors: [...ERRORS],
      handle: async (call) => ({
        status: 200,
        body: matchesJson(await api.browse.search(call.by, call.params.ref, call.query, call.signal)),
      }),
    }),
    route({
      method: 'GET',
      path: '/snapshots/{ref}/census',
      operationId: 'getSnapshotCensus',
      tag,
      summary: 'What ran when a snapshot was taken',
      params: refParams,
      responses: { 200: { description: 'Processes and ports', schema: schemas.maybeCensus } },
      errors: ['not_found', 'wrong_state'],
      handle: async (call) => {
        const census = await api.browse.census(call.by, call.params.ref)
        return { status: 200, body: { census: census && censusJson(census) } }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/{id}/files/copy-from',
      operationId: 'copyFromSnapshot',
      tag: 'files',
      summary: 'Copy a file or directory of a snapshot into a sandbox',
      description:
        'Over what is there: files of the same name are replaced, others stay. What was copied before a failure stays as well.',
      params: idParams,
      body: schemas.copyFromBody,
      responses: { 200: { description: 'What was copied', schema: schemas.copied } },
      errors: [...ERRORS, 'incompatible', 'stale_incarnation', 'guest_unresponsive'],
      handle: async (call) => {
        using _ = holdActive(api, call.by, call.params.id)
        return { status: 200, body: await api.browse.copyInto(call.by, call.params.id, call.body, call.signal) }
      },
    }),
  ]
}
