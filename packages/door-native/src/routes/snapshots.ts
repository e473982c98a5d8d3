import { labelsOf, pageAnswer, pageRequest, startedAnswer } from '../answers.ts'
import type { DoorContext } from '../door-context.ts'
import { PUSH_ERRORS, pushAnswer } from '../push-answer.ts'
import { type AnyRoute, idParams, refParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { sandboxJson, snapshotJson } from '../translate.ts'

const tag = 'snapshots'

export function snapshotRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  return [
    route({
      method: 'POST',
      path: '/sandboxes/{id}/snapshots',
      operationId: 'createSnapshot',
      tag,
      summary: 'Capture a sandbox while it runs on',
      params: idParams,
      query: schemas.waitOnly,
      body: schemas.createSnapshotBody,
      responses: {
        201: { description: 'The snapshot, durable', schema: schemas.snapshot },
        202: { description: 'Accepted; `Location` names the operation', schema: schemas.snapshot },
      },
      errors: [
        'not_found',
        'wrong_state',
        'operation_in_progress',
        'capture_refused',
        'hook_failed',
        'quota_exceeded',
        'guest_unresponsive',
        'disk_full',
        'runtime_failed',
      ],
      idempotent: true,
      handle: async (call) => {
        const { resources, ...request } = call.body
        const started = await api.snapshots.create(call.by, call.params.id, {
          ...request,
          diskBytes: resources?.diskBytes,
        })
        return startedAnswer(call, started, 201, snapshotJson, ({ id }) => `/v1/snapshots/${id}`)
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/snapshots',
      operationId: 'listSnapshotsOfSandbox',
      tag,
      summary: 'Snapshots taken of a sandbox, newest first',
      params: idParams,
      query: schemas.listSnapshotsOfSandboxQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.snapshot) } },
      errors: ['not_found'],
      handle: async (call) => {
        const { state, label, kind, name, nameContains, parent } = call.query
        const filter = {
          states: state,
          labels: labelsOf(label),
          kind,
          name,
          nameContains,
          parent,
          sandbox: call.params.id,
        }
        return pageAnswer(await api.snapshots.list(call.by, filter, pageRequest(call.query)), snapshotJson)
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots',
      operationId: 'listSnapshots',
      tag,
      summary: 'List snapshots, newest first',
      query: schemas.listSnapshotsQuery,
      responses: { 200: { description: 'A page', schema: schemas.pageOf(schemas.snapshot) } },
      errors: ['not_found'],
      handle: async (call) => {
        const { state, label, kind, name, nameContains, parent, sandbox } = call.query
        const filter = { states: state, labels: labelsOf(label), kind, name, nameContains, parent, sandbox }
        return pageAnswer(await api.snapshots.list(call.by, filter, pageRequest(call.query)), snapshotJson)
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots/{ref}',
      operationId: 'getSnapshot',
      tag,
      summary: 'One snapshot with its receipt, also one in the trash by its id',
      params: refParams,
      responses: { 200: { description: 'The snapshot', schema: schemas.snapshot } },
      errors: ['not_found'],
      handle: async (call) => ({
        status: 200,
        body: snapshotJson(await api.snapshots.get(call.by, call.params.ref, { trashed: true })),
      }),
    }),
    route({
      method: 'PATCH',
      path: '/snapshots/{ref}',
      operationId: 'updateSnapshot',
      tag,
      summary: 'Change labels or time to live',
      params: refParams,
      body: schemas.updateSnapshotBody,
      responses: { 200: { description: 'The snapshot afterwards', schema: schemas.snapshot } },
      errors: ['not_found', 'wrong_state', 'quota_exceeded'],
      handle: async (call) => ({
        status: 200,
        body: snapshotJson(await api.snapshots.update(call.by, call.params.ref, call.body)),
      }),
    }),
    route({
      method: 'POST',
      path: '/snapshots/{ref}/push',
      operationId: 'pushSnapshot',
      tag,
      summary: 'Put a snapshot with its memory where another server can go on from it',
      description:
        'An OCI artifact, signed by this server. It holds whatever secrets were in memory. For an image that container engines run, see `pushImage`.',
      params: refParams,
      query: schemas.waitOnly,
      body: schemas.pushBody,
      responses: {
        200: { description: 'It is there', schema: schemas.pushed },
        202: { description: 'Accepted; the operation', schema: schemas.operation },
      },
      errors: PUSH_ERRORS,
      idempotent: true,
      handle: async (call) =>
        pushAnswer(call, api, await api.archives.pushSnapshot(call.by, call.params.ref, call.body)),
    }),
    route({
      method: 'POST',
      path: '/snapshots',
      operationId: 'pullSnapshot',
      tag,
      summary: 'Take in a snapshot that a server has pushed',
      description:
        'Before anything is transferred it is checked whether its memory can be restored here, and whether it is signed by a server that this one trusts.',
      query: schemas.waitOnly,
      body: schemas.pullSnapshotBody,
      responses: {
        201: { description: 'The snapshot, durable', schema: schemas.snapshot },
        202: { description: 'Accepted; `Location` names the operation', schema: schemas.snapshot },
      },
      errors: ['incompatible', 'payload_too_large', 'quota_exceeded', ...PUSH_ERRORS],
      idempotent: true,
      handle: async (call) =>
        startedAnswer(
          call,
          await api.archives.pullSnapshot(call.by, call.body),
          201,
          snapshotJson,
          ({ id }) => `/v1/snapshots/${id}`,
        ),
    }),
    route({
      method: 'POST',
      path: '/snapshots/{ref}/spawn',
      operationId: 'spawnSandbox',
      tag,
      summary: 'New sandbox that goes on from a snapshot',
      params: refParams,
      query: schemas.waitOnly,
      body: schemas.spawnBody,
      responses: {
        201: { description: 'It runs', schema: schemas.sandbox },
        202: { description: 'Accepted; `Location` names the operation', schema: schemas.sandbox },
      },
      errors: [
        'not_found',
        'name_taken',
        'wrong_state',
        'incompatible',
        'limit_exceeded',
        'quota_exceeded',
        'disk_full',
        'runtime_failed',
        'unavailable',
      ],
      idempotent: 'early',
      handle: async (call) =>
        startedAnswer(
          call,
          await api.sandboxes.create(call.by, { ...call.body, snapshot: call.params.ref }),
          201,
          (sandbox) => sandboxJson(context.imageNames, call.by, sandbox),
          ({ id }) => `/v1/sandboxes/${id}`,
        ),
    }),
  ]
}
