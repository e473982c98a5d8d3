import {
  invalidArgument,
  normalRegistryHost,
  type Principal,
  parseImageReference,
  type Resolved,
  type SpawnpointApi,
  SpawnpointError,
} from '@spawnpoint/core'
import { type AnyRoute, everyPage, type Log, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { carried, includeSchema } from '../carried.ts'
import { checkPromotion, promote } from '../checkpoint.ts'
import { builtImage, builtNumber } from '../commands/dockerfile-build.ts'
import { labelsSchema } from '../create-request.ts'
import { unsupported } from '../errors.ts'
import { find } from '../find-box.ts'
import { imageConfigSchema, startOf } from '../image-config.ts'
import { checkUsersLabels, inheritedLabels, madeBy, OWN, present } from '../labels.ts'
import { listQuery, page, type SortKeys } from '../paging.ts'
import { keepsNothing, reachBox } from '../reach-box.ts'
import { runConfigSchema, runLabels } from '../run-config.ts'
import { snapshotJson, snapshotsJson } from '../snapshot-json.ts'
import { newName, shownName } from '../snapshot-names.ts'
import { findName, findSnapshot, LATEST } from '../snapshot-refs.ts'
import { soon } from '../soon.ts'
import { boxStatus } from '../states.ts'
import { boxParams } from './boxes.ts'

const params = z.object({ ref: z.string().min(1).max(512) })
const common = {
  name: z.string(),
  tag: optional(z.string()),
  description: optional(z.string().max(1024)),
  labels: optional(labelsSchema),
  run_config: optional(runConfigSchema),
}
const buildSchema = z.object({
  ...common,
  docker_image: z.string().min(1).max(1024),
  fs_capacity_bytes: optional(z.number().int().positive()),
  registry_id: optional(z.string().min(1).max(255)),
  registry_url: optional(z.string().max(512)),
  registry_username: optional(z.string()),
  registry_password: optional(z.string()),
})
const given = z.unknown().optional()
const captureSchema = z.object({
  ...common,
  include_memory: optional(z.boolean()),
  include: optional(includeSchema),
  confirm_allow_snapshot_secret_values: optional(z.boolean()),
  docker_image: given,
  checkpoint: optional(z.string().min(1).max(255)),
  image_config: optional(imageConfigSchema),
  fs_capacity_bytes: optional(z.number().int().positive()),
})

/** A client looks at once whether it is ready, and then only every two seconds */
const SOON_MS = 1_000

type SnapshotJson = Awaited<ReturnType<typeof snapshotJson>>
const SORT: SortKeys<SnapshotJson> = {
  name: ({ name }) => name,
  status: ({ status }) => status,
  created_at: ({ created_at }) => created_at,
}

export function snapshotRoutes(api: SpawnpointApi, log: Log): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/snapshots',
      body: buildSchema,
      handle: async ({ by, body }) => {
        const { value, done } = await api.images.build(by, {
          name: newName(body.name),
          tags: [body.tag ?? tagOf(body.docker_image)],
          source: { type: 'oci', reference: body.docker_image },
          // What the image would run at its start is known, and not run: boxes begin idle here.
          defaults: { idle: true, ...imageDefaults(body.run_config) },
          ...(body.fs_capacity_bytes === undefined ? {} : { resources: { diskBytes: body.fs_capacity_bytes } }),
          labels: { ...ownedLabels(body), ...madeBy(by) },
          ...credentialsOf(body),
        })
        return { status: 201, body: await snapshotJson(api, by, { image: await begun(value, done) }) }
      },
    }),
    route({
      method: 'POST',
      path: '/boxes/:name/snapshot',
      params: boxParams,
      body: captureSchema,
      handle: async ({ by, params, body }) => {
        const found = await find(api, by, params.name)
        if (body.checkpoint !== undefined) {
          checkPromotion(body)
          const promotion = {
            name: newName(body.name),
            tag: body.tag ?? LATEST,
            labels: { ...ownedLabels(body), ...madeBy(by) },
          }
          const snapshot = await promote(api, by, found, body.checkpoint, promotion)
          return { status: 201, body: await snapshotJson(api, by, { snapshot }) }
        }
        const number = builtNumber(body.docker_image)
        if (number !== null) return { status: 201, body: await ofBuilt(by, number, body) }
        if (body.docker_image !== undefined && body.docker_image !== null)
          throw unsupported('docker_image other than one of createSnapshotFromDockerfile: no Docker runs in boxes')
        if (keepsNothing(found)) throw unsupported('a snapshot of a sandbox that is not persistent')
        const name = newName(body.name)
        const carries = carried(found, body.include ?? [], body.confirm_allow_snapshot_secret_values ?? false)
        // As any use of one that is stopped.
        const { sandbox } = boxStatus(found) === 'stopped' ? await reachBox(api, by, found.id) : { sandbox: found }
        const { [OWN.snapshot]: _source, ...inherited } = inheritedLabels(sandbox.labels)
        const { value, done } = await api.snapshots.create(by, sandbox.id, {
          kind: body.include_memory ? 'memory' : 'filesystem',
          name,
          tag: body.tag ?? LATEST,
          env: { ...carries.env, ...body.run_config?.env_vars },
          ...(body.fs_capacity_bytes === undefined ? {} : { diskBytes: body.fs_capacity_bytes }),
          credentials: carries.credentials,
          start: startOf(sandbox.defaults, body.image_config),
          remotes: carries.remotes,
          labels: {
            ...inherited,
            ...carries.labels,
            ...ownedLabels(body),
            ...madeBy(by),
            ...runLabels(body.run_config ?? {}),
          },
        })
        return { status: 201, body: await snapshotJson(api, by, { snapshot: await begun(value, done) }) }
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots',
      query: z.object(listQuery),
      handle: async ({ by, query }) => {
        const images = await everyPage((each) => api.images.list(by, {}, each))
        const snapshots = await everyPage((each) => api.snapshots.list(by, {}, each))
        const all: Resolved[] = [...images.map((image) => ({ image })), ...snapshots.map((snapshot) => ({ snapshot }))]
        const { items, ...rest } = page(await snapshotsJson(api, by, all), query, SORT, { me: by.keyId })
        return { status: 200, body: { snapshots: items, items, ...rest } }
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots/:ref',
      params,
      handle: async ({ by, params }) => ({
        status: 200,
        body: await snapshotJson(api, by, await findSnapshot(api, by, params.ref)),
      }),
    }),
    route({
      method: 'DELETE',
      path: '/snapshots/:ref',
      params,
      handle: async ({ by, params }) => {
        if (params.ref.startsWith('system/'))
          throw new SpawnpointError('forbidden', 'system/ is read-only', { what: params.ref })
        const found = await findSnapshot(api, by, params.ref)
        if ('snapshot' in found) await api.snapshots.delete(by, found.snapshot.id, { ifUnused: true })
        else await deleteImage(by, found.image.id)
        return { status: 204 }
      },
    }),
    route({
      method: 'GET',
      path: '/snapshots-by-name/:ref',
      params,
      handle: async ({ by, params }) => {
        const { id, name } = await findName(api, by, params.ref)
        const tags = await api.names.tags(by, id)
        return {
          status: 200,
          body: {
            name: shownName(name),
            tags: tags.map(({ tag, imageId, snapshotId }) => ({ tag, snapshot_id: imageId ?? snapshotId })),
          },
        }
      },
    }),
  ]

  /** What `createSnapshotFromDockerfile` ends with: the image gets its name, and the one without goes. */
  async function ofBuilt(by: Principal, number: string, body: z.output<typeof captureSchema>) {
    const built = await builtImage(api, by, number)
    const { value, done } = await api.images.build(by, {
      name: newName(body.name),
      tags: [body.tag ?? LATEST],
      source: { type: 'recipe', from: built.id, steps: [] },
      // As for those of registries
      defaults: { ...startOf(built.defaults, body.image_config), idle: true, ...imageDefaults(body.run_config) },
      ...(body.fs_capacity_bytes === undefined ? {} : { resources: { diskBytes: body.fs_capacity_bytes } }),
      labels: { ...ownedLabels(body), ...madeBy(by) },
    })
    done
      .then(() => api.images.delete(by, built.id))
      // It is in nobody's way, and says what it was for.
      .catch((error: unknown) =>
        log.warn({ err: error, image: built.id }, 'an image that was built for a snapshot stays'),
      )
    return snapshotJson(api, by, { image: await begun(value, done) })
  }

  /** The core would let it go, as its sandboxes live on without; clients of this protocol are promised otherwise. */
  async function deleteImage(by: Principal, id: string): Promise<void> {
    const all = await everyPage((each) => api.sandboxes.list(by, { image: id }, each))
    const users = all.filter(({ originSnapshotId, labels }) => labels[OWN.snapshot] === id || originSnapshotId === null)
    if (users.length > 0) {
      const names = users.slice(0, 10).map((one) => one.name ?? one.id)
      throw new SpawnpointError('in_use', `Snapshot is in use by ${users.length} sandbox(es): ${names.join(', ')}`, {
        resource: 'image',
        id,
        by: users.map((one) => one.id),
      })
    }
    // A box that was made meanwhile counts as well.
    await api.images.delete(by, id, { ifUnused: true })
  }
}

/** What it came to, if it comes to that soon; whoever asks for it later is told why it failed. */
function begun<T>(value: T, done: Promise<T>): Promise<T> {
  return soon(
    value,
    done.catch(() => value),
    SOON_MS,
  )
}

/** The image's own. */
function tagOf(dockerImage: string): string {
  const image = parseImageReference(dockerImage, 'body.docker_image')
  return (image.transport === 'registry' ? image.tag : null) ?? LATEST
}

function ownedLabels({
  labels,
  description,
}: {
  labels?: Record<string, string> | undefined
  description?: string | undefined
}) {
  return { ...checkUsersLabels(labels), ...present({ [OWN.description]: description }) }
}

function imageDefaults(run: z.output<typeof runConfigSchema> | undefined) {
  return {
    ...(run?.user === undefined ? {} : { user: run.user }),
    ...(run?.work_dir === undefined ? {} : { workdir: run.work_dir }),
    ...(run?.env_vars === undefined ? {} : { env: run.env_vars }),
  }
}

/** A stored registry, or what older clients send with the build itself. */
function credentialsOf(body: z.output<typeof buildSchema>) {
  const { registry_id, registry_url, registry_username: username, registry_password: password } = body
  if (username === undefined && password === undefined)
    return registry_id === undefined ? {} : { registry: registry_id }
  if (registry_id !== undefined) throw invalidArgument('body.registry_id', 'not together with a password')
  if (username === undefined || password === undefined)
    throw invalidArgument('body.registry_username', 'user and password go together')
  const host = registry_url?.replace(/^https?:\/\//, '').replace(/\/.*$/, '')
  // A password is for the place it was given for.
  const image = parseImageReference(body.docker_image, 'body.docker_image')
  if (host !== undefined && (image.transport !== 'registry' || image.registry !== normalRegistryHost(host)))
    throw invalidArgument('body.registry_url', 'the image is elsewhere')
  return { credentials: { username, password } }
}
