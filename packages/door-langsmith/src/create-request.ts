import {
  type CreateSandboxRequest,
  invalidArgument,
  isCode,
  type Labels,
  type MountRequest,
  type Principal,
  type Resolved,
  type Resources,
  type SpawnpointApi,
  SpawnpointError,
} from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { lifecycleOf } from './carried.ts'
import { credentialsOf } from './credential-rules.ts'
import { descriptionLabel, networkOf, proxyConfigSchema } from './egress.ts'
import { unsupported } from './errors.ts'
import { checkUsersLabels, inheritedLabels, madeBy, OWN, present, usersLabels } from './labels.ts'
import { mountConfigSchema, remotesOf } from './mounts.ts'
import { ownEnvLabel, ownEnvNames, withoutOwn } from './own-env.ts'
import { envOf, runConfigSchema, runLabels } from './run-config.ts'
import { idOf } from './snapshot-json.ts'
import { defaultImage, findSnapshot } from './snapshot-refs.ts'
import { tagLabels, tagValueIds } from './tag-values.ts'

const DEFAULT_IDLE_S = 600
const DEFAULT_DELETE_AFTER_S = 14 * 86_400
const DEFAULT_READY_S = 30

export const ttlSchema = z.number().int().min(0).multipleOf(60, 'a multiple of 60, or 0 for never')
const env = z.record(z.string().min(1).max(256), z.string())
export const labelsSchema = z.record(z.string(), z.string())
const something = z.unknown().optional()
const volumeSchema = z.object({
  volume: z.string().min(1).max(255),
  mount_path: z.string().min(1).max(1024),
  read_only: optional(z.boolean()),
})

export const resourceFields = {
  vcpus: optional(z.number().positive()),
  cpu_millicores: optional(z.number().positive()),
  mem_bytes: optional(z.number().int().positive()),
  fs_capacity_bytes: optional(z.number().int().positive()),
}
const resourcesSchema = z.object(resourceFields)

export const createSchema = z.object({
  name: optional(z.string()),
  wait_for_ready: optional(z.boolean()),
  timeout: optional(z.number().positive().max(3600)),
  snapshot_id: optional(z.string().min(1)),
  snapshot_name: optional(z.string().min(1)),
  snapshot: optional(z.string().min(1)),
  persistent: optional(z.boolean()),
  preserve_memory_on_stop: optional(z.boolean()),
  restore_memory: optional(z.boolean()),
  idle_ttl_seconds: optional(ttlSchema),
  delete_after_stop_seconds: optional(ttlSchema),
  ...resourceFields,
  labels: optional(labelsSchema),
  run_config: optional(runConfigSchema),
  env_vars: optional(env),
  proxy_config: optional(proxyConfigSchema),
  mount_config: optional(mountConfigSchema),
  volumes: optional(z.array(volumeSchema).max(4)),
  tag_value_ids: optional(tagValueIds),
  access_delegation: something,
})
export type CreateBody = z.output<typeof createSchema>

/** What the core is asked for, and how many seconds the client waits for it; 0 if it does not. */
export async function createRequest(
  api: SpawnpointApi,
  by: Principal,
  body: CreateBody,
): Promise<{ request: CreateSandboxRequest; waitMs: number }> {
  refuseUnsupported(body)
  const found = await sourceOf(api, by, body)
  const source = 'image' in found ? found.image : found.snapshot
  const network = networkOf(body.proxy_config)
  const credentials = credentialsOf(body.proxy_config, body.tag_value_ids ?? [])
  const remotes = remotesOf(body.mount_config, body.tag_value_ids ?? [])
  const { idle = DEFAULT_IDLE_S, after = DEFAULT_DELETE_AFTER_S, memory = false } = lifecycleOf(source.labels)
  const persistent = body.persistent !== false
  const request: CreateSandboxRequest = {
    ...('image' in found ? { image: found.image.id } : { snapshot: found.snapshot.id }),
    cold: isCold(found, body),
    ...(body.name === undefined ? {} : { name: body.name }),
    env: {
      ...envOf(source.labels),
      ...withoutOwn(body.run_config?.env_vars ?? {}, source.labels),
      ...body.env_vars,
    },
    labels: { ...labelsOf(body, found), ...madeBy(by) },
    resources: resourcesOf(body, source.resources.diskBytes),
    ...(network === undefined ? {} : { network }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(remotes === undefined ? {} : { remotes }),
    ...(body.volumes === undefined ? {} : { volumes: await mountsOf(api, by, body.volumes) }),
    // Whoever is to reach a service is given an address with a token.
    ingress: { default: 'token', ports: {}, hostHeader: null },
    timeout: {
      timeoutMs: null,
      idleTimeoutMs: milliseconds(body.idle_ttl_seconds ?? idle),
      deleteAfterMs: milliseconds(body.delete_after_stop_seconds ?? after),
      onTimeout: (body.preserve_memory_on_stop ?? (memory && persistent)) ? 'pause' : 'stop',
      // One that keeps nothing is not to come back with what it had.
      autoResume: persistent,
    },
  }
  return { request, waitMs: body.wait_for_ready === false ? 0 : (body.timeout ?? DEFAULT_READY_S) * 1000 }
}

/** Nought is never. */
export function milliseconds(seconds: number): number | null {
  return seconds === 0 ? null : seconds * 1000
}

function refuseUnsupported(body: CreateBody): void {
  if (body.persistent === false && body.preserve_memory_on_stop)
    throw invalidArgument('body.preserve_memory_on_stop', 'not with persistent: false')
  if (body.access_delegation !== undefined && body.access_delegation !== null)
    throw unsupported('access_delegation: boxes cannot reach this server to act for anybody')
}

async function mountsOf(
  api: SpawnpointApi,
  by: Principal,
  volumes: z.output<typeof volumeSchema>[],
): Promise<MountRequest[]> {
  return Promise.all(
    volumes.map(async ({ volume, mount_path: path, read_only: readOnly }) => {
      try {
        return { volume: (await api.volumes.get(by, volume)).id, path, readOnly }
      } catch (error) {
        if (!isCode(error, 'not_found')) throw error
        throw badSource(`volume not found: ${volume}`, volume)
      }
    }),
  )
}

async function sourceOf(
  api: SpawnpointApi,
  by: Principal,
  { snapshot_id, snapshot_name, snapshot }: CreateBody,
): Promise<Resolved> {
  const [ref, ...more] = [snapshot_id, snapshot_name, snapshot].filter((one) => one !== undefined)
  if (more.length > 0) throw invalidArgument('body.snapshot_id', 'give one of snapshot_id and snapshot_name')
  if (ref === undefined) return { image: await defaultImage(api, by) }
  try {
    return await findSnapshot(api, by, ref)
  } catch (error) {
    if (!isCode(error, 'not_found')) throw error
    // To clients a 404 of this call would be about the sandbox.
    throw badSource(`snapshot not found: ${ref.slice(0, 255)}`, ref)
  }
}

function isCold(found: Resolved, { restore_memory }: CreateBody): boolean {
  const hasMemory = 'snapshot' in found && found.snapshot.kind === 'memory'
  if (restore_memory === true && !hasMemory) throw badSource('restore_memory: the snapshot has no memory', idOf(found))
  return restore_memory === false && hasMemory
}

function badSource(message: string, id: string): SpawnpointError<'wrong_state'> {
  return new SpawnpointError('wrong_state', message, { resource: 'snapshot', id, state: 'absent', request: 'start' })
}

function labelsOf(body: CreateBody, found: Resolved): Labels {
  const { labels } = 'image' in found ? found.image : found.snapshot
  const { [OWN.description]: _description, ...inherited } = inheritedLabels(labels)
  // The default has an account of its own; here people expect to be root, if they say nothing of whom they expect.
  const isRoot =
    (body.snapshot_id ?? body.snapshot_name ?? body.snapshot) === undefined && body.run_config?.user === undefined
  return {
    ...usersLabels(labels),
    ...checkUsersLabels(body.labels),
    ...(isRoot ? { [OWN.user]: 'root', [OWN.workDir]: '/root' } : {}),
    ...inherited,
    ...runLabels(body.run_config ?? {}),
    ...ownEnvLabel([...ownEnvNames(labels), ...Object.keys(body.env_vars ?? {})]),
    ...tagLabels(body.tag_value_ids),
    ...proxyLabels(body, labels),
    [OWN.snapshot]: idOf(found),
    ...(body.persistent === false ? { [OWN.persistent]: 'false' } : {}),
  }
}

/** Of what it brings itself, else of what the snapshot carries. */
function proxyLabels({ proxy_config }: CreateBody, inherited: Labels): Labels {
  const own = proxy_config === undefined ? inherited : descriptionLabel(proxy_config)
  return present({ [OWN.proxyDescription]: own[OWN.proxyDescription] ?? undefined })
}

export function resourcesOf(
  body: z.output<typeof resourcesSchema>,
  sourceDiskBytes?: number,
): Partial<Omit<Resources, 'maxProcesses'>> {
  const { vcpus, cpu_millicores, mem_bytes, fs_capacity_bytes } = body
  if (fs_capacity_bytes !== undefined && sourceDiskBytes !== undefined && fs_capacity_bytes < sourceDiskBytes)
    throw invalidArgument('body.fs_capacity_bytes', `at least that of the snapshot, ${sourceDiskBytes}`)
  const cpus = cpu_millicores === undefined ? vcpus : cpu_millicores / 1000
  return {
    ...(cpus === undefined ? {} : { cpus }),
    ...(mem_bytes === undefined ? {} : { memoryBytes: mem_bytes }),
    ...(fs_capacity_bytes === undefined ? {} : { diskBytes: fs_capacity_bytes }),
  }
}
