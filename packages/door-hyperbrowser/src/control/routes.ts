import { randomBytes } from 'node:crypto'
import {
  isCode,
  type Labels,
  notFound,
  type Principal,
  type Resources,
  type Sandbox,
  type Snapshot,
  SpawnpointError,
  Turns,
} from '@spawnpoint/core'
import { type Answer, type AnyRoute, everyPage, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../context.ts'
import { originOf } from '../runtime-address.ts'
import { imageNamed, namedImages } from './images.ts'
import {
  detailJson,
  exposureJson,
  IMAGE_LABEL,
  imageJson,
  networkJson,
  REGION_LABEL,
  SNAPSHOT_STATUSES,
  STATUSES,
  sandboxJson,
  snapshotJson,
} from './json.ts'
import { NO_SECRETS, noSecretRoutes, wantsSecrets } from './no-secrets.ts'
import { many, matches, paged, pageQuery } from './paging.ts'
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
  resourcesOf,
  USUAL_SIZES,
} from './requests.ts'
import { volumeRoutes } from './volume-routes.ts'

const params = z.object({ id: z.string().min(1).max(256) })

function ok(body: unknown): Answer {
  return { status: 200, body }
}

/** The control plane, below `/api`. */
export function controlRoutes(context: DoorContext): AnyRoute[] {
  const { api, domain } = context
  /** Of changes to which ports of a sandbox are exposed: what reads and then writes must not come between another's two */
  const turns = new Turns<string>()
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
        if (wantsSecrets(body)) return NO_SECRETS
        const { source, labels, usual } = await sourceOf(by, body)
        const asked = resourcesOf(body)
        const create = (resources: Partial<Resources>) =>
          api.sandboxes.create(by, {
            ...source,
            labels: { ...labels, ...(body.region === undefined ? {} : { [REGION_LABEL]: body.region }) },
            volumes: mountsOf(body),
            resources,
            network: newNetworkOf(body),
            ingress: ingressOf(body.exposedPorts ?? []),
            timeout: {
              timeoutMs: body.timeoutMinutes === undefined ? null : Math.ceil(body.timeoutMinutes * 60_000),
              onTimeout: 'kill',
              // There is no state of rest in this protocol: one that rests, by another door's doing, comes back when used.
              autoResume: true,
            },
          })
        const started = await create({ ...usual, ...asked }).catch((error: unknown) => {
          // A server may be too small for what nobody asked for.
          if (!isCode(error, 'limit_exceeded') || !error.context.limit.startsWith('resources.')) throw error
          return create(asked)
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
        status: many(['active', 'closed', 'error', 'close-error']),
        start: optional(z.coerce.number()),
        end: optional(z.coerce.number()),
      }),
      handle: async ({ by, query, request }) => {
        const all = await everyPage((page) => api.sandboxes.list(by, { states: EVERY_STATE }, page))
        const { status, search, start = 0, end = Number.POSITIVE_INFINITY } = query
        const found = all.filter(({ id, state, createdAt }) => {
          const at = createdAt.getTime()
          return (status?.includes(STATUSES[state]) ?? true) && matches(search, id) && at >= start && at <= end
        })
        const { items, counts } = paged(found, query)
        const origin = originOf(request.raw)
        return ok({ sandboxes: items.map((sandbox) => sandboxJson(api, by, sandbox, origin, domain)), ...counts })
      },
    }),
    route({
      method: 'POST',
      path: '/api/sandbox/:id/snapshot',
      params,
      body: z.object({ snapshotName: optional(z.string().min(1).max(128)) }),
      handle: async ({ by, params: { id }, body }) => {
        const sandbox = await live(by, id)
        // One that rests comes back for this as for any use.
        await api.sandboxes.guest(by, sandbox.id)
        // Nobody else's, also at the same moment: who asks for it by this name gets the newest that bears it.
        const name = body.snapshotName ?? `snapshot-${Date.now().toString(36)}-${randomBytes(3).toString('hex')}`
        const { value } = await api.snapshots.create(by, sandbox.id, {
          kind: 'memory',
          name,
          labels: imageLabel(sandbox.labels[IMAGE_LABEL]),
        })
        const json = await snapshotJson(api, by, value, await namespaceOf(by))
        const { snapshotName, namespace, status, imageName, imageId, imageNamespace } = json
        return ok({ snapshotName, snapshotId: value.id, namespace, status, imageName, imageId, imageNamespace })
      },
    }),
    route({
      method: 'POST',
      path: '/api/sandbox/:id/processes',
      params,
      handle: async ({ by, params: { id } }) => {
        await live(by, id)
        return NO_SECRETS
      },
    }),
    route({
      method: 'POST',
      path: '/api/sandbox/:id/expose',
      params,
      body: exposeSchema,
      handle: async ({ by, params: { id }, body, request }) => {
        const [port, access] = portAccess(body)
        const sandbox = await turns.take(id, async () => {
          const { ports } = (await live(by, id)).ingress
          return api.sandboxes.update(by, id, { ingress: { ports: { ...ports, [port]: access } } })
        })
        return ok(exposureJson(api, sandbox, body.port, originOf(request.raw), domain))
      },
    }),
    route({
      method: 'POST',
      path: '/api/sandbox/:id/unexpose',
      params,
      body: exposeSchema,
      handle: async ({ by, params: { id }, body: { port } }) => {
        await turns.take(id, async () => {
          const { [String(port)]: _gone, ...ports } = (await live(by, id)).ingress.ports
          await api.sandboxes.update(by, id, { ingress: { ports } })
        })
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
      query: z.object({ ...pageQuery, source: many(['public', 'team']) }),
      handle: async ({ by, query }) => {
        const { search, source } = query
        const images = await namedImages(api, by)
        const found = images.filter((one) => (source?.includes(one.source) ?? true) && matches(search, one.name))
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
      query: z.object({
        ...pageQuery,
        status: many(['creating', 'created', 'failed']),
        imageName: optional(z.string().max(128)),
      }),
      handle: async ({ by, query }) => {
        const namespace = await namespaceOf(by)
        const all = await everyPage((page) => api.snapshots.list(by, { states: SHOWN }, page))
        const shown = await Promise.all(all.map((snapshot) => snapshotJson(api, by, snapshot, namespace)))
        const { status, imageName, search } = query
        const found = shown.filter(
          (one) =>
            (status?.includes(one.status) ?? true) &&
            (imageName === undefined || one.imageName === imageName) &&
            matches(search, one.snapshotName, one.id),
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
        const snapshot = await snapshotJson(api, by, await snapshotNamed(by, id), await namespaceOf(by))
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
    ...noSecretRoutes(),
  ]

  async function sourceOf(by: Principal, body: z.output<typeof createSchema>) {
    const { imageName, imageId, snapshotName = '', snapshotId } = body
    if (imageName !== undefined) {
      const image = await imageNamed(api, by, imageName, imageId)
      return {
        source: { image: image.id },
        labels: imageLabel(image.name === imageName ? undefined : imageName),
        // One whose memory is there already has the sizes that it was taken with.
        usual: image.bootSnapshotId === null ? { ...USUAL_SIZES, ...image.resources } : {},
      }
    }
    const snapshot = await api.snapshots.get(by, snapshotId ?? snapshotName)
    // One without a name goes by its id here.
    if (snapshotId !== undefined && snapshotName !== (snapshot.name ?? snapshot.id))
      throw notFound('snapshot', `${snapshotName}@${snapshotId}`)
    // What is not usable yet is not found: that is what clients wait for.
    if (SNAPSHOT_STATUSES[snapshot.state] !== 'created')
      throw notFound('snapshot', `${snapshotName} is ${SNAPSHOT_STATUSES[snapshot.state]}`)
    return { source: { snapshot: snapshot.id }, labels: imageLabel(snapshot.labels[IMAGE_LABEL]), usual: {} }
  }

  /** By a name, the newest that can be used; where none can, the newest. */
  async function snapshotNamed(by: Principal, ref: string): Promise<Snapshot> {
    try {
      return await api.snapshots.get(by, ref)
    } catch (error) {
      if (!isCode(error, 'not_found')) throw error
      const all = await everyPage((page) => api.snapshots.list(by, { states: SHOWN }, page))
      const found = all.find(({ name }) => name === ref)
      if (found === undefined) throw error
      return found
    }
  }
}

function imageLabel(name: string | undefined): Labels {
  return name === undefined ? {} : { [IMAGE_LABEL]: name }
}

const EVERY_STATE = Object.keys(STATUSES) as Sandbox['state'][]
const SHOWN: Snapshot['state'][] = ['creating', 'ready', 'failed']
