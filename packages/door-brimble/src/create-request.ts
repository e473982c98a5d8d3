import { randomInt } from 'node:crypto'
import {
  type CreateSandboxRequest,
  invalidArgument,
  notFound,
  type Principal,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { idParam } from './envelope.ts'
import { isRegion } from './region.ts'
import { DESTROY_TIMEOUTS, egressSchema, LABELS, networkOf, sourceTemplate } from './sandbox-json.ts'
import { DEFAULT_TEMPLATE, imageOf } from './templates.ts'
import { freeVolume, GIB } from './volumes.ts'

const MIB = 2 ** 20
/** The core's own lower bounds; what the vendor allows below is rounded up. */
const MIN_CPUS = 0.1
const MIN_MEMORY_MB = 64
/** The sandbox's own beside a persistent disk, unless told */
const DEFAULT_DISK_GB = 5
export const DEFAULT_MOUNT_PATH = '/workspace'

/** What the vendor's sizes are is not told; these are within what it lets specs say. */
const SIZES = {
  'sbx.micro': { cpu: 500, memory: 512 },
  'sbx.small': { cpu: 1000, memory: 1024 },
  'sbx.medium': { cpu: 2000, memory: 2048 },
} as const

const specs = z.object({
  cpu: optional(z.number().int().min(1).max(2000)),
  memory: optional(z.number().int().min(1).max(2048)),
  disk: optional(z.number().int().min(1).max(5)),
})

export const createSchema = z.object({
  name: optional(z.string().min(1).max(64)),
  template: optional(z.string().min(1).max(64)),
  teamId: optional(idParam('team')),
  environmentId: optional(idParam('environment')),
  region: optional(z.string().max(64)),
  specs: optional(specs),
  size: optional(z.enum(['sbx.micro', 'sbx.small', 'sbx.medium'])),
  autoDestroy: optional(z.boolean()),
  destroyTimeout: optional(z.enum(Object.keys(DESTROY_TIMEOUTS) as (keyof typeof DESTROY_TIMEOUTS)[])),
  oneShot: optional(z.boolean()),
  blockOutbound: optional(z.boolean()),
  egress: optional(egressSchema),
  persistent: optional(z.boolean()),
  persistentDiskGB: optional(z.number().int().min(10).max(50)),
  volumeId: optional(idParam('volume')),
  mountPath: optional(
    z
      .string()
      .regex(/^\/[A-Za-z0-9._/-]+$/, 'an absolute path below /')
      .refine((path) => /[^/]/.test(path) && !/\/\.{1,2}(\/|$)/.test(path), 'not `/`, and without `.` and `..`')
      .transform((path) => path.replace(/\/+/g, '/').replace(/\/$/, '')),
  ),
  fromSnapshot: optional(idParam('snapshot')),
  snapshotMode: optional(z.enum(['manual', 'automatic'])),
  snapshotFrequency: optional(z.string().min(1).max(200)),
})
export type CreateBody = z.output<typeof createSchema>

/** What the core is asked for. Rejects combinations that this protocol does not allow. */
export async function createRequest(
  api: SpawnpointApi,
  by: Principal,
  body: CreateBody,
): Promise<CreateSandboxRequest> {
  checkCombinations(body)
  checkTeam(by, body.teamId)
  const source = await sourceOf(api, by, body)
  const labels: Record<string, string> = { [LABELS.template]: source.template }
  if (body.oneShot) labels[LABELS.oneShot] = 'true'
  if (body.teamId !== undefined) labels[LABELS.team] = body.teamId
  if (body.environmentId !== undefined) labels[LABELS.environment] = body.environmentId
  if (body.size !== undefined) labels[LABELS.size] = body.size
  if (body.egress?.mode === 'restricted') labels[LABELS.egress] = 'restricted'
  if (body.persistent) {
    labels[LABELS.persistentGB] = String(body.persistentDiskGB)
    labels[LABELS.mountPath] = body.mountPath ?? DEFAULT_MOUNT_PATH
  }
  const volume = body.volumeId === undefined ? null : await freeVolume(api, by, body.volumeId)
  const path = body.mountPath ?? DEFAULT_MOUNT_PATH
  if (volume !== null) {
    labels[LABELS.persistentGB] = String(Math.round(volume.sizeBytes / GIB))
    labels[LABELS.mountPath] = path
  }
  return {
    ...source.request,
    ...(volume === null ? {} : { volumes: [{ volume: volume.id, path }] }),
    ...named(body.name ?? randomName(), labels),
    resources: resourcesOf(body),
    network: newNetworkOf(body),
    ...(body.snapshotFrequency === undefined
      ? {}
      : { schedule: { cron: body.snapshotFrequency, kind: 'filesystem' as const } }),
    timeout: {
      timeoutMs:
        body.autoDestroy && body.destroyTimeout !== undefined ? DESTROY_TIMEOUTS[body.destroyTimeout] * 60_000 : null,
      onTimeout: 'kill',
    },
  }
}

/** What is restored without a word about it reaches what its source reached. */
function newNetworkOf({ egress, blockOutbound, fromSnapshot }: CreateBody): CreateSandboxRequest['network'] {
  if (egress === undefined && blockOutbound === undefined && fromSnapshot !== undefined) return undefined
  return networkOf(egress ?? { mode: blockOutbound ? 'deny_all' : 'open', allow: undefined })
}

function checkCombinations(body: CreateBody): void {
  const refuse = (field: string, message: string) => {
    throw invalidArgument(field, message)
  }
  if (body.region !== undefined && !isRegion(body.region)) refuse('region', 'there is no such region')
  if (body.autoDestroy && body.destroyTimeout === undefined) refuse('destroyTimeout', 'required with autoDestroy')
  if (body.blockOutbound !== undefined && body.egress !== undefined)
    refuse('egress', 'not allowed together with blockOutbound')
  if (body.persistent && body.volumeId !== undefined) refuse('volumeId', 'not allowed together with persistent')
  if (body.persistent && body.persistentDiskGB === undefined) refuse('persistentDiskGB', 'required with persistent')
  if (!body.persistent && body.persistentDiskGB !== undefined) refuse('persistentDiskGB', 'only with persistent')
  const stored = body.persistent || body.volumeId !== undefined
  if (!stored && body.mountPath !== undefined && body.mountPath !== DEFAULT_MOUNT_PATH)
    refuse('mountPath', 'only with persistent or volumeId')
  if ((body.snapshotMode === 'automatic') !== (body.snapshotFrequency !== undefined))
    refuse('snapshotFrequency', 'required when snapshotMode is automatic, and not allowed otherwise')
}

async function sourceOf(api: SpawnpointApi, by: Principal, { fromSnapshot, template = DEFAULT_TEMPLATE }: CreateBody) {
  if (fromSnapshot === undefined) return { template, request: { image: (await imageOf(api, by, template)).id } }
  const snapshot = await api.snapshots.get(by, fromSnapshot)
  if (snapshot.state !== 'ready') {
    throw invalidArgument('fromSnapshot', `the snapshot is ${snapshot.state}; only ready snapshots can be restored`)
  }
  // The files alone, as this protocol has it, also of a snapshot that holds memory.
  const request = { snapshot: snapshot.id, cold: snapshot.kind === 'memory' }
  return { template: await sourceTemplate(api, by, snapshot), request }
}

/** A display name, which need be neither unique nor a name of the core. `taken` for one that the core has refused. */
export function named(name: string, labels: Record<string, string>, taken = false) {
  const isCoreName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && !/^[0-9a-f]{24}$/.test(name)
  return isCoreName && !taken ? { name, labels } : { name: undefined, labels: { ...labels, [LABELS.name]: name } }
}

/** What is not the key's own team is not found. */
export function checkTeam(by: Principal, teamId: string | undefined): void {
  if (teamId !== undefined && teamId !== by.teamId) throw notFound('team', teamId)
}

function resourcesOf({ size, persistentDiskGB, ...body }: CreateBody): CreateSandboxRequest['resources'] {
  const specs = { ...(size === undefined ? {} : SIZES[size]), ...defined(body.specs) }
  const diskGB = persistentDiskGB === undefined ? specs.disk : persistentDiskGB + (specs.disk ?? DEFAULT_DISK_GB)
  return {
    ...(specs.cpu === undefined ? {} : { cpus: Math.max(MIN_CPUS, specs.cpu / 1000) }),
    ...(specs.memory === undefined ? {} : { memoryBytes: Math.max(MIN_MEMORY_MB, specs.memory) * MIB }),
    ...(diskGB === undefined ? {} : { diskBytes: diskGB * GIB }),
  }
}

/** Without the fields that were left out. */
function defined(given: z.output<typeof specs> | undefined): { cpu?: number; memory?: number; disk?: number } {
  return Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== undefined))
}

const ADJECTIVES = ['brave', 'calm', 'clever', 'eager', 'gentle', 'happy', 'kind', 'lively', 'proud', 'quick', 'wise']
const ANIMALS = ['badger', 'crane', 'dolphin', 'falcon', 'heron', 'lynx', 'marten', 'otter', 'panda', 'raven', 'seal']

function randomName(): string {
  const one = (words: readonly string[]) => words[randomInt(words.length)]
  return `${one(ADJECTIVES)}-${one(ANIMALS)}-${randomInt(0x10000).toString(16).padStart(4, '0')}`
}
