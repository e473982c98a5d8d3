import { isCode, type Principal, type Sandbox, SpawnpointError } from '@spawnpoint/core'
import { type Answer, type AnyRoute, everyPage, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../context.ts'
import { originOf } from '../runtime-address.ts'
import { imageNamed, namedImages } from './images.ts'
import {
  detailJson,
  exposureJson,
  imageJson,
  networkJson,
  SNAPSHOT_STATUSES,
  STATUSES,
  sandboxJson,
  snapshotJson,
} from './json.ts'
import { many, paged, pageQuery } from './paging.ts'
import {
  checkCreate,
  createSchema,
  exposeSchema,
  ingressOf,
  mountsOf,
  networkOf,
  networkSchema,
  newNetworkOf,
  portAccess,
} from './requests.ts'
import { volumeRoutes } from './volume-routes.ts'

const MIB = 2 ** 20
const params = z.object({ id: z.string().min(1).max(256) })

function ok(body: unknown): Answer {
  return { status: 200, body }
}

/** The control plane, below `/api`. */
export function controlRoutes(context: DoorContext): AnyRoute[] {
  const { api, domain } = context
  const namespaceOf = async (by: Principal) => (await api.keys.team(by)).name
  /** A sandbox that is over is not acted on any more. */
  const live = async (by: Principal, id: string): Promise<Sandbox> => {
    const sandbox = await api.sandboxes.get(by, id)
    if (STATUSES[sandbox.state] !== 'closed') return sandbox
    throw new SpawnpointError('wrong_state', 'Sandbox is not running', {
      resource: 'sandbox',
      id,
      state: sandbox.state,
      request: 'use',
    })
  }
  return [
    route({
      method: 'POST',
      path: '/api/sandbox',
      body: createSchema,
      handle: async ({ by, body, request }) => {
        checkCreate(body)
        const started = await api.sandboxes.create(by, {
          ...(await sourceOf(by, body)),
          volumes: mountsOf(body),
          resources: {
            ...(body.vcpus === undefined ? {} : { cpus: body.vcpus }),
            ...(body.memMiB === undefined ? {} : { memoryBytes: Math.floor(body.memMiB * MIB) }),
            ...(body.diskSizeMiB === undefined ? {} : { diskBytes: Math.floor(body.diskSizeMiB * MIB) }),
          },
          network: newNetworkOf(body),
          ingress: ingressOf(body.exposedPorts ?? []),
          timeout: {
            timeoutMs: body.timeoutMinutes === undefined ? null : Math.ceil(body.timeoutMinutes * 60_000),
            onTimeout: 'kill',
            // There is no state of rest in this protocol: one that rests, by another door's doing, comes back when used.
            autoResume: true,
          },
        })
        return ok(detailJson(api, by, await started.done, originOf(request.raw), domain))
      },
    }),
    route({
      method: 'GET',
      path: '/api/sandbox/:id',
      params,
      handle: async ({ by, params: { id }, request }) =>
        ok(detailJson(api, by, await api.sandboxes.get(by, id), originOf(request.raw), domain)),
    }),
    route({
      method: 'PUT',
      path: '/api/sandbox/:id/stop',
      params,
      handle: async ({ by, params: { id } }) => {
        try {
          await api.sandboxes.kill(by, id)
        } catch (error) {
          // One that has ended already was stopped; what was never there was not.
          if (!isCode(error, 'not_found')) throw error
          await api.sandboxes.get(by, id)
        }
        return ok({ success: true })
      },
    }),
    route({
      method: 'GET',
      path: '/api/sandboxes',
      query: z.object({
        ...pageQuery,
        status: many,
        start: optional(z.coerce.number()),
        end: optional(z.coerce.number()),
      }),
      handle: async ({ by, query, request }) => {
        const all = await everyPage((page) => api.sandboxes.list(by, { states: EVERY_STATE }, page))
        const { status, search, start = 0, end = Number.POSITIVE_INFINITY } = query
        const found = all.filter(({ id, state, createdAt }) => {
          const at = createdAt.getTime()
          return (
            (status?.includes(STATUSES[state]) ?? true) &&
            (search === undefined || id.includes(search)) &&
            at >= start &&
            at <= end
          )
        })
        const { items, counts } = paged(found, query)
        const origin = originOf(request.raw)
        return ok({ sandboxes: items.map((sandbox) => sandboxJson(sandbox, origin, domain)), ...counts })
      },
    }),
    route({
      method: 'POST',
      path: '/api/sandbox/:id/snapshot',
      params,
      body: z.object({ snapshotName: optional(z.string().min(1).max(128)) }),
      handle: async ({ by, params: { id }, body }) => {
        const sandbox = await live(by, id)
        const name = body.snapshotName ?? `snapshot-${Date.now().toString(36)}`
        const { value } = await api.snapshots.create(by, sandbox.id, { kind: 'memory', name })
        const json = await snapshotJson(api, by, value, await namespaceOf(by))
        const { snapshotName, namespace, status, imageName, imageId, imageNamespace } = json
        return ok({ snapshotName, snapshotId: value.id, namespace, status, imageName, imageId, imageNamespace })
      },
    }),
    route({
      method: 'POST',
      path: '/api/sandbox/:id/expose',
      params,
      body: exposeSchema,
      handle: async ({ by, params: { id }, body, request }) => {
        const { ingress } = await live(by, id)
        const [port, access] = portAccess(body)
        const sandbox = await api.sandboxes.update(by, id, { ingress: { ports: { ...ingress.ports, [port]: access } } })
        return ok(exposureJson(api, sandbox, body.port, originOf(request.raw), domain))
      },
    }),
    route({
      method: 'POST',
      path: '/api/sandbox/:id/unexpose',
      params,
      body: exposeSchema,
      handle: async ({ by, params: { id }, body: { port } }) => {
        const { [String(port)]: _gone, ...ports } = (await live(by, id)).ingress.ports
        await api.sandboxes.update(by, id, { ingress: { ports } })
        return ok({ port, exposed: false })
      },
    }),
    route({
      method: 'PUT',
      path: '/api/sandbox/:id/network',
      params,
      body: networkSchema,
      handle: async ({ by, params: { id }, body }) => {
        await live(by, id)
        const { network } = await api.sandboxes.update(by, id, { network: networkOf(body) })
        return ok({ network: networkJson(network) })
      },
    }),
    route({
      method: 'GET',
      path: '/api/images',
      query: z.object({ ...pageQuery, source: many }),
      handle: async ({ by, query }) => {
        const { search, source } = query
        const images = await namedImages(api, by)
        const found = images.filter(
          ({ name }) => (source?.includes('team') ?? true) && (search === undefined || name.includes(search)),
        )
        const { items, counts } = paged(found, { ...query, limit: query.limit ?? 1_000 })
        const namespace = await namespaceOf(by)
        return ok({ images: items.map((one) => imageJson(one, namespace)), ...counts })
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/images/:id',
      params,
      handle: async ({ by, params: { id } }) => {
        const image = await api.images.get(by, id)
        await api.images.delete(by, image.id)
        return ok({ deleted: true, id: image.id, imageName: image.name, uploaded: true })
      },
    }),
    route({
      method: 'GET',
      path: '/api/snapshots',
      query: z.object({ ...pageQuery, status: many, imageName: optional(z.string().max(128)) }),
      handle: async ({ by, query }) => {
        const namespace = await namespaceOf(by)
        const all = await everyPage((page) => api.snapshots.list(by, {}, page))
        const shown = await Promise.all(all.map((snapshot) => snapshotJson(api, by, snapshot, namespace)))
        const { status, imageName, search } = query
        const found = shown.filter(
          (one) =>
            (status?.includes(one.status) ?? true) &&
            (imageName === undefined || one.imageName === imageName) &&
            (search === undefined || one.snapshotName.includes(search) || one.id === search),
        )
        const { items, counts } = paged(found, query)
        return ok({ snapshots: items, ...counts })
      },
    }),
    route({
      method: 'GET',
      path: '/api/snapshots/:id',
      params,
      handle: async ({ by, params: { id } }) => {
        const snapshot = await snapshotJson(api, by, await api.snapshots.get(by, id), await namespaceOf(by))
        return ok({ snapshot })
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/snapshots/:id',
      params,
      handle: async ({ by, params: { id } }) => {
        await api.snapshots.delete(by, id)
        return ok({ deleted: true })
      },
    }),
    ...volumeRoutes(api),
  ]

  async function sourceOf(by: Principal, body: z.output<typeof createSchema>) {
    const { imageName, imageId, snapshotName = '', snapshotId } = body
    if (imageName !== undefined) return { image: (await imageNamed(api, by, imageName, imageId)).id }
    const snapshot = await api.snapshots.get(by, snapshotId ?? snapshotName)
    // One without a name goes by its id here.
    if (snapshotId !== undefined && snapshotName !== (snapshot.name ?? snapshot.id)) {
      const ref = `${snapshotName}@${snapshotId}`
      throw new SpawnpointError('not_found', `No such snapshot: ${ref}`, { resource: 'snapshot', ref })
    }
    // What is not usable yet is not found: that is what clients wait for.
    if (SNAPSHOT_STATUSES[snapshot.state] !== 'created') {
      const ref = `${snapshotName} is ${SNAPSHOT_STATUSES[snapshot.state]}`
      throw new SpawnpointError('not_found', `No such snapshot: ${ref}`, { resource: 'snapshot', ref })
    }
    return { snapshot: snapshot.id }
  }
}

const EVERY_STATE = Object.keys(STATUSES) as Sandbox['state'][]
