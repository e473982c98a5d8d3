import {
  type BuildLogEntry,
  type Event,
  type IdempotencyRecord,
  type Image,
  type ImageId,
  invalidArgument,
  type Labels,
  type Name,
  type Operation,
  type Sandbox,
  type Schedule,
  type ScheduleTick,
  storedNetwork,
  type Tag,
} from '@spawnpoint/core'
import type { Insertable, Selectable } from 'kysely'
import type { Tables } from './tables.ts'

export type Row<T extends keyof Tables> = Selectable<Tables[T]>
export type NewRow<T extends keyof Tables> = Insertable<Tables[T]>

/** Text for a searchable column. PostgreSQL refuses NUL; the driver would silently replace lone surrogates. */
export function text(path: string, value: string): string
export function text(path: string, value: string | null): string | null
export function text(path: string, value: string | null): string | null {
  if (value !== null && (value.includes('\0') || !value.isWellFormed())) {
    throw invalidArgument(path, 'contains NUL or half of a surrogate pair')
  }
  return value
}

export function labelsJson(labels: Labels): string {
  for (const [key, value] of Object.entries(labels)) {
    text('labels', key)
    text('labels', value)
  }
  return JSON.stringify(labels)
}

/** JSON text of a document; escapes make any string storable in a `json` column. */
export const json = (value: unknown): string => JSON.stringify(value)
export const jsonOrNull = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

export function instant(path: string, date: Date): string {
  if (Number.isNaN(date.getTime())) throw invalidArgument(path, 'is not a date')
  return date.toISOString()
}
export const instantOrNull = (path: string, date: Date | null) => (date === null ? null : instant(path, date))

export function imageRow(image: Image): NewRow<'images'> {
  return {
    id: image.id,
    team_id: image.teamId,
    name: text('name', image.name),
    state: image.state,
    failure: jsonOrNull(image.failure),
    source: json(image.source),
    defaults: json(image.defaults),
    resources: json(image.resources),
    boot_snapshot_id: image.bootSnapshotId,
    parent_image_id: image.parentImageId,
    size_bytes: image.sizeBytes,
    labels: labelsJson(image.labels),
    created_at: instant('createdAt', image.createdAt),
    ready_at: instantOrNull('readyAt', image.readyAt),
  }
}

export function toImage(row: Row<'images'>): Image {
  return {
    id: row.id,
    teamId: row.team_id,
    name: row.name,
    state: row.state,
    failure: row.failure as Image['failure'],
    source: row.source as Image['source'],
    defaults: row.defaults as Image['defaults'],
    resources: row.resources as Image['resources'],
    bootSnapshotId: row.boot_snapshot_id,
    parentImageId: row.parent_image_id,
    sizeBytes: row.size_bytes,
    labels: row.labels as Labels,
    createdAt: row.created_at,
    readyAt: row.ready_at,
  }
}

export function nameRow(name: Name): NewRow<'names'> {
  return {
    id: name.id,
    team_id: name.teamId,
    name: text('name', name.name),
    created_at: instant('createdAt', name.createdAt),
  }
}

export function toName(row: Row<'names'>): Name {
  return { id: row.id, teamId: row.team_id, name: row.name, createdAt: row.created_at }
}

export function tagRow(tag: Tag): NewRow<'tags'> {
  return {
    name_id: tag.nameId,
    tag: text('tag', tag.tag),
    image_id: tag.imageId,
    snapshot_id: tag.snapshotId,
    created_at: instant('createdAt', tag.createdAt),
  }
}

export function toTag(row: Row<'tags'>): Tag {
  return {
    nameId: row.name_id,
    tag: row.tag,
    imageId: row.image_id,
    snapshotId: row.snapshot_id,
    createdAt: row.created_at,
  }
}

export function buildLogRow(imageId: ImageId, number: number, entry: BuildLogEntry): NewRow<'build_log'> {
  return {
    image_id: imageId,
    number,
    at: instant('at', entry.at),
    level: entry.level,
    step: text('step', entry.step),
    message: json(entry.message),
  }
}

export function toBuildLogEntry(row: Row<'build_log'>): BuildLogEntry {
  return { at: row.at, level: row.level, step: row.step, message: row.message as string }
}

export function sandboxRow(sandbox: Sandbox): NewRow<'sandboxes'> {
  return {
    id: sandbox.id,
    team_id: sandbox.teamId,
    name: text('name', sandbox.name),
    state: sandbox.state,
    failure: jsonOrNull(sandbox.failure),
    incarnation_id: sandbox.incarnationId,
    root_id: sandbox.rootId,
    paused_snapshot_id: sandbox.pausedSnapshotId,
    image_id: sandbox.imageId,
    source_snapshot_id: sandbox.sourceSnapshotId,
    origin_snapshot_id: sandbox.originSnapshotId,
    origin_cold: sandbox.originCold,
    parent_sandbox_id: sandbox.parentSandboxId,
    defaults: json(sandbox.defaults),
    env: json(sandbox.env),
    labels: labelsJson(sandbox.labels),
    resources: json(sandbox.resources),
    volumes: json(sandbox.volumes),
    remotes: json(sandbox.remotes),
    network: json(sandbox.network),
    credentials: json(sandbox.credentials),
    ingress: json(sandbox.ingress),
    timeout: json(sandbox.timeout),
    generation: sandbox.generation,
    created_at: instant('createdAt', sandbox.createdAt),
    started_at: instantOrNull('startedAt', sandbox.startedAt),
    expires_at: instantOrNull('expiresAt', sandbox.expiresAt),
    halted_at: instantOrNull('haltedAt', sandbox.haltedAt),
    ended_at: instantOrNull('endedAt', sandbox.endedAt),
  }
}

export function toSandbox(row: Row<'sandboxes'>): Sandbox {
  return {
    id: row.id,
    teamId: row.team_id,
    name: row.name,
    state: row.state,
    failure: row.failure as Sandbox['failure'],
    incarnationId: row.incarnation_id,
    rootId: row.root_id,
    pausedSnapshotId: row.paused_snapshot_id,
    imageId: row.image_id,
    sourceSnapshotId: row.source_snapshot_id,
    originSnapshotId: row.origin_snapshot_id,
    originCold: row.origin_cold,
    parentSandboxId: row.parent_sandbox_id,
    defaults: row.defaults as Sandbox['defaults'],
    env: row.env as Sandbox['env'],
    labels: row.labels as Labels,
    resources: row.resources as Sandbox['resources'],
    network: storedNetwork(row.network as Partial<Sandbox['network']>),
    credentials: row.credentials as Sandbox['credentials'],
    volumes: row.volumes as Sandbox['volumes'],
    remotes: row.remotes as Sandbox['remotes'],
    ingress: row.ingress as Sandbox['ingress'],
    timeout: row.timeout as Sandbox['timeout'],
    generation: row.generation,
    createdAt: row.created_at,
    startedAt: row.started_at,
    expiresAt: row.expires_at,
    haltedAt: row.halted_at,
    endedAt: row.ended_at,
  }
}

export function scheduleRow(schedule: Schedule): NewRow<'schedules'> {
  return {
    id: schedule.id,
    team_id: schedule.teamId,
    sandbox_id: schedule.sandboxId,
    cron: text('cron', schedule.cron),
    time_zone: text('timeZone', schedule.timeZone),
    kind: schedule.kind,
    keep: json(schedule.keep),
    enabled: schedule.enabled,
    created_at: instant('createdAt', schedule.createdAt),
    decided_until: instant('decidedUntil', schedule.decidedUntil),
    last_tick: jsonOrNull(schedule.lastTick),
  }
}

export function toSchedule(row: Row<'schedules'>): Schedule {
  const tick = row.last_tick as (Omit<ScheduleTick, 'at'> & { at: string }) | null
  return {
    id: row.id,
    teamId: row.team_id,
    sandboxId: row.sandbox_id,
    cron: row.cron,
    timeZone: row.time_zone,
    kind: row.kind,
    keep: row.keep as Schedule['keep'],
    enabled: row.enabled,
    createdAt: row.created_at,
    decidedUntil: row.decided_until,
    lastTick: tick === null ? null : { ...tick, at: new Date(tick.at) },
  }
}

export function operationRow(operation: Operation): NewRow<'operations'> {
  return {
    id: operation.id,
    team_id: operation.teamId,
    kind: operation.kind,
    state: operation.state,
    phase: text('phase', operation.phase),
    sandbox_id: operation.sandboxId,
    snapshot_id: operation.snapshotId,
    image_id: operation.imageId,
    detail: json(operation.detail),
    error: jsonOrNull(operation.error),
    created_at: instant('createdAt', operation.createdAt),
    ended_at: instantOrNull('endedAt', operation.endedAt),
  }
}

export function toOperation(row: Row<'operations'>): Operation {
  return {
    id: row.id,
    teamId: row.team_id,
    kind: row.kind,
    state: row.state,
    phase: row.phase,
    sandboxId: row.sandbox_id,
    snapshotId: row.snapshot_id,
    imageId: row.image_id,
    detail: row.detail as Operation['detail'],
    error: row.error as Operation['error'],
    createdAt: row.created_at,
    endedAt: row.ended_at,
  }
}

export function eventRow(event: Omit<Event, 'seq'>): NewRow<'events'> {
  return {
    team_id: event.teamId,
    type: text('type', event.type),
    sandbox_id: event.sandboxId,
    snapshot_id: event.snapshotId,
    image_id: event.imageId,
    data: json(event.data),
    at: instant('at', event.at),
  }
}

export function toEvent(row: Row<'events'>): Event {
  return {
    seq: row.seq,
    teamId: row.team_id,
    type: row.type,
    sandboxId: row.sandbox_id,
    snapshotId: row.snapshot_id,
    imageId: row.image_id,
    data: row.data as Event['data'],
    at: row.at,
  }
}

export function idempotencyRow(record: IdempotencyRecord): NewRow<'idempotency'> {
  return {
    team_id: record.teamId,
    key: text('key', record.key),
    request_hash: text('requestHash', record.requestHash),
    operation_id: record.operationId,
    response: jsonOrNull(record.response),
    created_at: instant('createdAt', record.createdAt),
  }
}

export function toIdempotency(row: Row<'idempotency'>): IdempotencyRecord {
  return {
    teamId: row.team_id,
    key: row.key,
    requestHash: row.request_hash,
    operationId: row.operation_id,
    response: row.response as IdempotencyRecord['response'],
    createdAt: row.created_at,
  }
}
