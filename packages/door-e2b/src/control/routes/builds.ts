import { invalidArgument, type Principal, type SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, optional, route } from '@spawnpoint/door-kit'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type BuildLogJson, buildLog, isAtLeast, logLevels, reasonJson } from '../build-log.ts'
import type { BuildProgress } from '../build-start.ts'
import { orderOf, placeOrder } from '../builds.ts'
import { notThere } from '../delete-template.ts'
import type { DoorContext } from '../door-context.ts'
import { blobKey, startBody } from '../recipe.ts'
import { buildStatus } from '../template-list.ts'
import { checkTag, DEFAULT_TAG, newName } from '../template-refs.ts'
import { grantUpload, uploaderOf } from '../upload-url.ts'

const MIB = 2 ** 20
const PAGE = 100
/** Of one call to the core */
const LOG_MAX = 1000
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex')
const buildParams = z.object({ id: z.string().max(256), build: z.string().max(64) })
const level = optional(z.enum(logLevels))

/** The builder of templates: ordered, its files sent, begun, followed. */
export function buildRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context

  return [
    route({
      method: 'POST',
      path: '/v3/templates',
      body: z.object({
        name: optional(z.string().min(1).max(256)),
        alias: optional(z.string().min(1).max(256)),
        tags: optional(z.array(z.string()).max(100)),
        cpuCount: optional(z.int32().positive()),
        memoryMB: optional(z.int32().positive()),
        minFreeDiskMb: optional(z.int32().min(0)),
      }),
      handle: async (call) => {
        const { cpuCount, memoryMB, minFreeDiskMb = 0 } = call.body
        const text = call.body.name ?? call.body.alias
        if (text === undefined) throw invalidArgument('name', 'a template needs one')
        const ref = await newName(api, call.by, 'name', text)
        const asked = [
          ...(ref.tag === null ? [] : [ref.tag]),
          ...(call.body.tags ?? []).map((tag) => tag.toLowerCase()),
        ]
        for (const tag of asked) checkTag('tags', tag)
        const tags = asked.length === 0 ? [DEFAULT_TAG] : [...new Set(asked)]
        const { id: templateID } = await api.names.ensure(call.by, ref.name)
        const buildID = await placeOrder(api, call.by, {
          templateID,
          name: ref.name,
          tags,
          cpus: cpuCount ?? null,
          memoryBytes: memoryMB === undefined ? null : memoryMB * MIB,
          // What the template will take is not known yet: it is given what everybody has.
          diskBytes: minFreeDiskMb === 0 ? null : api.limits.resources.diskBytes + minFreeDiskMb * MIB,
        })
        const team = (await api.keys.team(call.by)).name
        const names = [`${team}/${ref.name}`]
        return { status: 202, body: { templateID, buildID, public: false, names, tags, aliases: [ref.name] } }
      },
    }),
    route({
      method: 'GET',
      path: UPLOAD,
      params: uploadParams,
      handle: async (call) => {
        const present = await api.blobs.has(call.by, blobKey(call.params.hash))
        const { team, expires, signature } = await grantUpload(api, call.by, call.params.hash, new Date())
        const query = new URLSearchParams({ team, expires: String(expires), signature })
        const { protocol, host } = call.request
        const url = `${protocol}://${host}${context.prefix}/templates/${call.params.id}/files/${call.params.hash}?${query}`
        return { status: 201, body: { present, url } }
      },
    }),
    route({
      method: 'PUT',
      path: UPLOAD,
      params: uploadParams,
      rawBody: true,
      handle: async (call) => {
        await api.blobs.put(call.by, blobKey(call.params.hash), call.request.raw)
        return { status: 200, body: {} }
      },
    }),
    route({
      method: 'POST',
      path: '/v2/templates/:id/builds/:build',
      params: buildParams,
      body: startBody,
      handle: async (call) => {
        const order = await orderOf(api, call.by, call.params.build)
        if (order.templateID !== call.params.id) throw notThere(call.params.id)
        await context.builds.start(call.by, call.params.build, order, call.body)
        return { status: 202 }
      },
    }),
    route({
      method: 'GET',
      path: '/templates/:id/builds/:build/status',
      params: buildParams,
      query: z.object({
        logsOffset: optional(z.coerce.number().int().min(0)),
        limit: optional(z.coerce.number().int().min(1).max(PAGE)),
        level,
      }),
      handle: async (call) => {
        const { logsOffset: offset = 0, limit = PAGE, level: least = 'debug' } = call.query
        const progress = await context.builds.progress(call.by, call.params.build)
        const log = await buildLog(api, call.by, progress, { offset, limit })
        const status = statusOf(progress)
        const failed = progress.image ?? progress.fetched
        return {
          status: 200,
          body: {
            templateID: call.params.id,
            buildID: call.params.build,
            logs: [],
            logEntries: log.filter((entry) => isAtLeast(entry, least)),
            status,
            ...(status === 'error' && failed !== null ? { reason: await reasonJson(api, call.by, failed) } : {}),
          },
        }
      },
    }),
    route({
      method: 'GET',
      path: '/templates/:id/builds/:build/logs',
      params: buildParams,
      query: z.object({
        cursor: optional(z.coerce.number().min(0)),
        limit: optional(z.coerce.number().int().min(1).max(PAGE)),
        direction: optional(z.enum(['forward', 'backward'])),
        level,
      }),
      handle: async (call) => {
        const { cursor = 0, limit = PAGE, direction = 'forward', level: least = 'debug' } = call.query
        const progress = await context.builds.progress(call.by, call.params.build)
        const everything = { offset: 0, limit: LOG_MAX }
        const all = await buildLog(api, call.by, { ...progress, fetched: null }, everything)
        const before = await buildLog(api, call.by, { ...progress, image: null }, everything)
        const chosen = [...before, ...all].filter((entry) => isAtLeast(entry, least))
        const time = ({ timestamp }: BuildLogJson) => Date.parse(timestamp)
        const logs =
          direction === 'forward'
            ? chosen.filter((entry) => time(entry) >= cursor)
            : chosen.filter((entry) => cursor === 0 || time(entry) <= cursor).toReversed()
        return { status: 200, body: { logs: logs.slice(0, limit) } }
      },
    }),
  ]
}

function statusOf({ image, fetched }: BuildProgress): 'waiting' | ReturnType<typeof buildStatus> {
  if (image !== null) return buildStatus(image)
  if (fetched === null) return 'waiting'
  return fetched.state === 'failed' ? 'error' : 'building'
}

const UPLOAD = '/templates/:id/files/:hash'
const uploadParams = z.object({ id: z.string().max(256), hash })
const grant = z.object({ team: z.string().max(64), expires: z.coerce.number().int(), signature: z.string().max(128) })

/** Files are sent by whoever has the address for them, without a key. */
export function isUpload({ method, routeOptions }: FastifyRequest): boolean {
  return method === 'PUT' && routeOptions.url?.endsWith(UPLOAD) === true
}

/** Whose address it is. Rejects `unauthenticated` if it is no address of this server, or not any more. */
export function uploader(api: SpawnpointApi, request: FastifyRequest): Principal {
  const params = uploadParams.safeParse(request.params)
  const query = grant.safeParse(request.query)
  return uploaderOf(api, params.data?.hash ?? '', query.data ?? { team: '', expires: 0, signature: '' }, new Date())
}
