import {
  isCode,
  type NetworkPolicy,
  type Principal,
  type Sandbox,
  type SandboxState,
  type Snapshot,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { shownName } from './names.ts'
import { REGION } from './region.ts'
import { specsOf } from './stats.ts'
import { DEFAULT_TEMPLATE } from './templates.ts'

/** What this protocol knows of a sandbox and the core does not, kept in labels. */
export const LABELS = {
  template: 'brimble.template',
  oneShot: 'brimble.one-shot',
  persistentGB: 'brimble.persistent-gb',
  mountPath: 'brimble.mount-path',
  /** What the core does not take as a name, or has given to another */
  name: 'brimble.name',
  team: 'brimble.team',
  environment: 'brimble.environment',
  size: 'brimble.size',
  /** An allow list that was empty */
  egress: 'brimble.egress',
} as const

export const STATUSES: { readonly [S in SandboxState]: string } = {
  creating: 'starting',
  running: 'ready',
  snapshotting: 'ready',
  // Processes end at a pause here, and what a stop keeps is all there is.
  pausing: 'pausing',
  paused: 'paused',
  resuming: 'resuming',
  stopping: 'pausing',
  stopped: 'paused',
  starting: 'resuming',
  rolling_back: 'resuming',
  killing: 'destroyed',
  killed: 'destroyed',
  failed: 'failed',
}

export const DESTROY_TIMEOUTS = { '30m': 30, '1h': 60, '3h': 180, '6h': 360, '12h': 720, '18h': 1080 } as const
const MINUTE_MS = 60_000

export type Egress = { mode: 'open' | 'deny_all' } | { mode: 'restricted'; allow: string[] }

export const egressSchema = z.object({
  mode: z.enum(['open', 'restricted', 'deny_all']),
  allow: optional(z.array(z.string().min(1).max(253)).max(50)),
})

/** A change is asked for more strictly than a creation. */
export const egressUpdateSchema = egressSchema.superRefine(({ mode, allow }, context) => {
  if (mode === 'restricted' && (allow === undefined || allow.length === 0))
    context.addIssue({ code: 'custom', path: ['allow'], message: 'required when mode is restricted' })
  if (mode !== 'restricted' && allow !== undefined)
    context.addIssue({ code: 'custom', path: ['allow'], message: 'only allowed when mode is restricted' })
})

export function networkOf({ mode, allow = [] }: z.output<typeof egressSchema>): Partial<NetworkPolicy> {
  const isAddress = (entry: string) => /^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/.test(entry)
  const listed = mode === 'restricted' && allow.length > 0
  return {
    internet: mode === 'open' || listed,
    allow: listed ? allow.filter(isAddress) : [],
    allowDomains: listed ? allow.filter((entry) => !isAddress(entry)) : [],
    deny: [],
    denyDomains: [],
    precedence: 'deny',
  }
}

/** The mode that comes nearest: what other protocols deny besides has no word here, unless it is everything. */
export function egressOf({ network, labels }: Sandbox): Egress {
  const { internet, allow, allowDomains, deny, precedence } = network
  const listed = [...allow.map((cidr) => cidr.replace(/\/32$/, '')), ...allowDomains]
  if (!internet)
    return labels[LABELS.egress] === 'restricted' ? { mode: 'restricted', allow: [] } : { mode: 'deny_all' }
  const deniesAll = deny.includes('0.0.0.0/0')
  if (deniesAll && (precedence === 'deny' || listed.length === 0)) return { mode: 'deny_all' }
  // A list that goes first opens again what is denied, and shuts nothing.
  const isOpen = listed.length === 0 || (precedence === 'allow' && !deniesAll)
  return isOpen ? { mode: 'open' } : { mode: 'restricted', allow: listed }
}

export async function sandboxJson(api: SpawnpointApi, by: Principal, sandbox: Sandbox) {
  const { labels, timeout, resources } = sandbox
  const [schedule] = (await api.schedules.list(by, { sandbox: sandbox.id }, { limit: 1 }).catch(noneIfGone)).items
  const persistentGB = labels[LABELS.persistentGB]
  const status = STATUSES[sandbox.state]
  const egress = egressOf(sandbox)
  return {
    id: sandbox.id,
    name: nameOf(sandbox),
    size: labels[LABELS.size] ?? null,
    template: templateOf(sandbox),
    status,
    region: REGION,
    specs: {
      ...specsOf(resources),
      disk: Math.max(1, Math.round(resources.diskBytes / 2 ** 30) - ownDiskGB(sandbox)),
    },
    team: labels[LABELS.team] ?? null,
    project_environment: labels[LABELS.environment] ?? null,
    auto_destroy: timeout.timeoutMs !== null,
    destroy_timeout: destroyTimeout(timeout.timeoutMs),
    one_shot: labels[LABELS.oneShot] === 'true',
    block_outbound: egress.mode === 'deny_all',
    egress,
    persistent: persistentGB !== undefined,
    persistent_disk_gb: persistentGB === undefined ? null : Number(persistentGB),
    paused_at: status === 'paused' ? (sandbox.haltedAt?.toISOString() ?? null) : null,
    from_snapshot: sandbox.sourceSnapshotId,
    snapshot_mode: schedule === undefined ? 'manual' : 'automatic',
    snapshot_frequency: schedule?.cron ?? null,
    created_at: sandbox.createdAt.toISOString(),
    last_activity_at: (sandbox.startedAt ?? sandbox.createdAt).toISOString(),
    expires_at: (sandbox.expiresAt ?? NEVER).toISOString(),
    destroyed_at: sandbox.endedAt?.toISOString() ?? null,
    destroy_reason: destroyReason(sandbox),
    failure_reason: sandbox.failure?.detail ?? null,
  }
}

export async function snapshotJson(api: SpawnpointApi, by: Principal, snapshot: Snapshot) {
  return {
    id: snapshot.id,
    sandbox_id: snapshot.sandboxId,
    name: shownName(snapshot.name ?? snapshot.id),
    image_tag: `spawnpoint/snapshot:${snapshot.id}`,
    source_template: await sourceTemplate(api, by, snapshot),
    status: snapshot.state,
    failure_reason: snapshot.failure,
    size_bytes: snapshot.state === 'ready' ? snapshot.sizeBytes : null,
    created_at: snapshot.createdAt.toISOString(),
    expires_at: (snapshot.pinned ? NEVER : (snapshot.expiresAt ?? NEVER)).toISOString(),
  }
}

/** Of the sandbox that the snapshot was taken of, as far as that is still known; else its image. */
export async function sourceTemplate(api: SpawnpointApi, by: Principal, snapshot: Snapshot): Promise<string> {
  try {
    const { labels } = await api.sandboxes.get(by, snapshot.sandboxId)
    const template = labels[LABELS.template]
    if (template !== undefined) return template
  } catch (error) {
    if (!isCode(error, 'not_found')) throw error
  }
  try {
    return (await api.images.get(by, snapshot.imageId)).name
  } catch (error) {
    if (isCode(error, 'not_found')) return DEFAULT_TEMPLATE
    throw error
  }
}

export function nameOf({ id, name, labels }: Sandbox): string {
  return labels[LABELS.name] ?? name ?? id
}

/** What a persistent disk adds to the sandbox's own; a volume adds nothing. */
function ownDiskGB({ labels, volumes }: Sandbox): number {
  return volumes.length > 0 ? 0 : Number(labels[LABELS.persistentGB] ?? 0)
}

export function templateOf({ labels }: Sandbox): string {
  return labels[LABELS.template] ?? DEFAULT_TEMPLATE
}

/** What has no end has one that clients can parse. */
const NEVER = new Date('9999-12-31T23:59:59Z')

function destroyTimeout(timeoutMs: number | null): string | null {
  if (timeoutMs === null) return null
  const minutes = timeoutMs / MINUTE_MS
  const found = Object.entries(DESTROY_TIMEOUTS).find(([, value]) => value === minutes)
  return found?.[0] ?? `${Math.ceil(minutes)}m`
}

function destroyReason({ state, endedAt, expiresAt }: Sandbox): string | null {
  if (state !== 'killed' && state !== 'killing') return null
  // One that is being destroyed has no end yet.
  return expiresAt !== null && (endedAt ?? new Date()) >= expiresAt ? 'max_lifetime' : 'user'
}

/** What is listed of a sandbox that is gone is nothing. */
function noneIfGone(error: unknown): { items: never[] } {
  if (isCode(error, 'not_found')) return { items: [] }
  throw error
}
