import {
  type IngressPolicy,
  invalidArgument,
  type MountRequest,
  type NetworkPolicy,
  type PortAccess,
  type Resources,
} from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'

/** Where the vendor's own runtime listens inside a sandbox. */
const RESERVED_PORT = 4001
const MIB = 2 ** 20

export const exposeSchema = z.object({ port: z.number().int().min(1).max(65_535), auth: optional(z.boolean()) })

export const networkSchema = z.object({
  allowInternetAccess: optional(z.boolean()),
  allowOut: optional(z.array(z.string().min(1).max(255)).max(256)),
  denyOut: optional(z.array(z.string().min(1).max(64)).max(256)),
})

const mountSchema = z.object({
  id: z.string().min(1).max(128),
  type: optional(z.enum(['rw', 'ro'])),
  // Whoever mounts a volume shares it here.
  shared: optional(z.boolean()),
})

const REGIONS = ['us', 'us-central', 'us-west', 'us-east', 'us-dev', 'europe-west', 'asia-south'] as const

export const createSchema = z.object({
  imageName: optional(z.string().min(1).max(128)),
  imageId: optional(z.string().max(64)),
  snapshotName: optional(z.string().min(1).max(128)),
  snapshotId: optional(z.string().max(64)),
  region: optional(z.enum(REGIONS)),
  enableRecording: optional(z.boolean()),
  exposedPorts: optional(z.array(exposeSchema).max(64)),
  mounts: optional(z.record(z.string().max(1024), mountSchema)),
  timeoutMinutes: optional(z.number().positive().max(525_600)),
  vcpus: optional(z.number().positive().max(1024)),
  memMiB: optional(
    z
      .number()
      .positive()
      .max(2 ** 24),
  ),
  diskSizeMiB: optional(
    z
      .number()
      .positive()
      .max(2 ** 30),
  ),
  ...networkSchema.shape,
  // Of newer clients, see `wantsSecrets`
  secrets: optional(z.unknown()),
  vault: optional(z.unknown()),
  onePassword: optional(z.unknown()),
})
export type CreateBody = z.output<typeof createSchema>

/** Which of the two a sandbox starts from. Rejects what is neither or both. */
export function checkCreate(body: CreateBody): void {
  const { imageName, imageId, snapshotName, snapshotId } = body
  if ((imageName === undefined) === (snapshotName === undefined))
    throw invalidArgument('imageName', 'exactly one of imageName and snapshotName is needed')
  if (imageId !== undefined && imageName === undefined) throw invalidArgument('imageId', 'needs imageName')
  if (snapshotId !== undefined && snapshotName === undefined) throw invalidArgument('snapshotId', 'needs snapshotName')
  if (snapshotName !== undefined && [body.vcpus, body.memMiB, body.diskSizeMiB].some((size) => size !== undefined))
    throw invalidArgument('vcpus', 'sizes are those of the snapshot')
}

/** What the vendor gives a sandbox of an image unless told. */
export const USUAL_SIZES: Partial<Resources> = { cpus: 2, memoryBytes: 2048 * MIB, diskBytes: 8192 * MIB }

export function resourcesOf({ vcpus, memMiB, diskSizeMiB }: CreateBody): Partial<Resources> {
  return {
    ...(vcpus === undefined ? {} : { cpus: vcpus }),
    ...(memMiB === undefined ? {} : { memoryBytes: Math.floor(memMiB * MIB) }),
    ...(diskSizeMiB === undefined ? {} : { diskBytes: Math.floor(diskSizeMiB * MIB) }),
  }
}

/** What is absent comes with the memory of the snapshot. */
export function mountsOf({ mounts = {} }: CreateBody): MountRequest[] | undefined {
  const entries = Object.entries(mounts)
  if (entries.length === 0) return undefined
  return entries.map(([path, { id, type }]) => ({ volume: id, path, readOnly: type === 'ro' }))
}

const isAddress = (entry: string) => /^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/.test(entry)

/** What is allowed beats what is denied here. Only what was given is changed. */
export function networkOf(given: z.output<typeof networkSchema>): Partial<NetworkPolicy> {
  const { allowInternetAccess, allowOut, denyOut } = given
  return {
    precedence: 'allow',
    ...(allowInternetAccess === undefined ? {} : { internet: allowInternetAccess }),
    ...(allowOut === undefined
      ? {}
      : { allow: allowOut.filter(isAddress), allowDomains: allowOut.filter((entry) => !isAddress(entry)) }),
    ...(denyOut === undefined ? {} : { deny: denyOut }),
  }
}

const NOTHING_SAID: NetworkPolicy = { internet: true, allow: [], allowDomains: [], deny: [], precedence: 'allow' }

/** Of a new sandbox: of one that goes on from a snapshot and says nothing, that of the snapshot; else all of it anew. */
export function newNetworkOf(given: z.output<typeof createSchema>): NetworkPolicy | undefined {
  const { allowInternetAccess, allowOut, denyOut, snapshotId, snapshotName } = given
  const silent = [allowInternetAccess, allowOut, denyOut].every((field) => field === undefined)
  const fromSnapshot = snapshotId !== undefined || snapshotName !== undefined
  return silent && fromSnapshot ? undefined : { ...NOTHING_SAID, ...networkOf(given) }
}

export function ingressOf(exposed: readonly z.output<typeof exposeSchema>[]): IngressPolicy {
  return { default: 'closed', ports: Object.fromEntries(exposed.map(portAccess)), hostHeader: null }
}

export function portAccess({ port, auth }: z.output<typeof exposeSchema>): [string, PortAccess] {
  if (port === RESERVED_PORT) throw invalidArgument('port', `port ${port} cannot be exposed`)
  return [String(port), auth ? 'token' : 'open']
}
