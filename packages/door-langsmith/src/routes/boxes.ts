import {
  type ErrorCode,
  invalidArgument,
  isCode,
  type Labels,
  type Sandbox,
  type SpawnpointApi,
  SpawnpointError,
} from '@spawnpoint/core'
import { type AnyRoute, everyPage, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { type BoxJson, boxesJson, boxJson, statusJson } from '../box-json.ts'
import {
  createRequest,
  createSchema,
  labelsSchema,
  milliseconds,
  resourceFields,
  resourcesOf,
  ttlSchema,
} from '../create-request.ts'
import { credentialsOf } from '../credential-rules.ts'
import { descriptionLabel, networkOf, proxyConfigSchema } from '../egress.ts'
import { creationFailed } from '../errors.ts'
import { find, remove } from '../find-box.ts'
import { changedBy, checkUsersLabels, OWN, ownLabels } from '../labels.ts'
import { withoutOwn } from '../own-env.ts'
import { listQuery, page, type SortKeys } from '../paging.ts'
import { runConfigSchema, runLabels } from '../run-config.ts'
import { tagLabels, tagsOf, tagValueIds } from '../tag-values.ts'

export const boxParams = z.object({ name: z.string().min(1).max(255) })

const patchSchema = z.object({
  name: optional(z.string()),
  idle_ttl_seconds: optional(ttlSchema),
  delete_after_stop_seconds: optional(ttlSchema),
  labels: optional(labelsSchema),
  run_config: optional(runConfigSchema),
  proxy_config: optional(proxyConfigSchema),
  ...resourceFields,
  tag_value_ids: optional(tagValueIds),
})

const SORT: SortKeys<BoxJson> = {
  name: ({ name }) => name,
  status: ({ status }) => status,
  created_at: ({ created_at }) => created_at,
  stopped_at: ({ stopped_at }) => stopped_at ?? '',
  idle_ttl_seconds: ({ idle_ttl_seconds }) => idle_ttl_seconds,
  delete_after_stop_seconds: ({ delete_after_stop_seconds }) => delete_after_stop_seconds,
}

export function boxRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/boxes',
      body: createSchema,
      handle: async ({ by, body, request }) => {
        const { request: asked, waitMs } = await createRequest(api, by, body)
        const { value, done } = await api.sandboxes.create(by, asked)
        const sandbox = waitMs === 0 ? value : await within(waitMs, value, done.catch(refusedCreation))
        return { status: 201, body: await boxJson(api, by, sandbox, request.raw) }
      },
    }),
    route({
      method: 'GET',
      path: '/boxes',
      query: z.object(listQuery),
      handle: async ({ by, query, request }) => {
        const all = await everyPage((each) => api.sandboxes.list(by, {}, each))
        const boxes = await boxesJson(api, by, all, request.raw)
        const { items, ...rest } = page(boxes, query, SORT, { defaultLimit: null, me: by.keyId })
        return { status: 200, body: { sandboxes: items, items, ...rest } }
      },
    }),
    route({
      method: 'GET',
      path: '/boxes/:name',
      params: boxParams,
      handle: async ({ by, params, request }) => ({
        status: 200,
        body: await boxJson(api, by, await find(api, by, params.name), request.raw),
      }),
    }),
    route({
      method: 'GET',
      path: '/boxes/:name/status',
      params: boxParams,
      handle: async ({ by, params }) => ({ status: 200, body: statusJson(await find(api, by, params.name)) }),
    }),
    route({
      method: 'PATCH',
      path: '/boxes/:name',
      params: boxParams,
      body: patchSchema,
      handle: async ({ by, params, body, request }) => {
        const sandbox = await find(api, by, params.name)
        const resources = resourcesOf(body)
        const network = networkOf(body.proxy_config)
        const credentials = credentialsOf(body.proxy_config, body.tag_value_ids ?? tagsOf(sandbox.labels))
        const { idle_ttl_seconds: idle, delete_after_stop_seconds: after, run_config: run } = body
        const updated = await api.sandboxes.update(by, sandbox.id, {
          name: body.name,
          ...(body.labels === undefined ? {} : { labels: replacedLabels(sandbox, body.labels) }),
          changeLabels: {
            ...changedBy(by),
            ...runLabels(run ?? {}),
            ...descriptionLabel(body.proxy_config),
            ...(body.tag_value_ids === undefined ? {} : { [OWN.tags]: null, ...tagLabels(body.tag_value_ids) }),
          },
          ...(run?.env_vars === undefined
            ? {}
            : { env: { ...sandbox.env, ...withoutOwn(run.env_vars, sandbox.labels) } }),
          ...(Object.keys(resources).length === 0 ? {} : { resources }),
          ...(network === undefined ? {} : { network }),
          ...(credentials === undefined ? {} : { credentials }),
          timeout: {
            ...(idle === undefined ? {} : { idleTimeoutMs: milliseconds(idle) }),
            ...(after === undefined ? {} : { deleteAfterMs: milliseconds(after) }),
          },
        })
        return { status: 200, body: await boxJson(api, by, updated, request.raw) }
      },
    }),
    route({
      method: 'DELETE',
      path: '/boxes/:name',
      params: boxParams,
      handle: async ({ by, params }) => {
        await remove(api, by, params.name)
        return { status: 204 }
      },
    }),
    route({
      method: 'POST',
      path: '/boxes/batch-delete',
      body: z.object({ names: z.array(z.string().min(1).max(255)).min(1).max(100) }),
      handle: async ({ by, body }) => {
        const deleted: string[] = []
        const skipped: { name: string; reason: string }[] = []
        for (const name of new Set(body.names)) {
          try {
            await remove(api, by, name)
            deleted.push(name)
          } catch (error) {
            if (!(error instanceof SpawnpointError)) throw error
            skipped.push({ name, reason: isCode(error, 'not_found') ? 'not found' : error.message })
          }
        }
        return { status: 200, body: { deleted, skipped } }
      },
    }),
  ]
}

function replacedLabels(sandbox: Sandbox, labels: Labels): Labels {
  return { ...checkUsersLabels(labels), ...ownLabels(sandbox.labels) }
}

/** Why one that was well asked for did not come up. */
const BROKEN = new Set<ErrorCode>(['runtime_failed', 'guest_unresponsive', 'guest_error', 'hook_failed', 'unavailable'])

/** To clients these of this call would be about the sandbox, their key, or a server that is to be asked again. */
function refusedCreation(error: unknown): never {
  const ofMount = isCode(error, 'forbidden') || (isCode(error, 'not_found') && error.context.resource === 'remote')
  if (ofMount) throw invalidArgument('body.mount_config', error.message)
  throw error instanceof SpawnpointError && BROKEN.has(error.code) ? creationFailed(error.message) : error
}

/** What it is once it is up; it goes on coming up if that takes longer than the client waits. */
async function within(waitMs: number, { id }: Sandbox, done: Promise<Sandbox>): Promise<Sandbox> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    const message = `Sandbox ${id} is not ready after ${waitMs / 1000} s; last status: provisioning`
    late.reject(new SpawnpointError('timeout', message, { what: 'sandbox', timeoutMs: waitMs }))
  }, waitMs)
  try {
    return await Promise.race([done, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
