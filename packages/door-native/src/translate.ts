import { isUtf8 } from 'node:buffer'
import type {
  BuildLogEntry,
  Event,
  FileInfo,
  ForkedChild,
  Image,
  Name,
  Operation,
  OperationProgress,
  Principal,
  ProcessExit,
  ProcessInfo,
  ProcessOutput,
  Registry,
  Sandbox,
  ScheduleView,
  Secret,
  Snapshot,
  Tag,
  Volume,
} from '@spawnpoint/core'
import { pushedBy, shownCredentials, shownRemotes } from '@spawnpoint/core'
import type { z } from 'zod'
import type { ImageNames } from './image-names.ts'
import type * as schemas from './schemas/index.ts'

export const at = (date: Date): string => date.toISOString()
export const atOrNull = (date: Date | null): string | null => date?.toISOString() ?? null

export async function sandboxJson(
  names: ImageNames,
  by: Principal,
  sandbox: Sandbox,
): Promise<z.output<typeof schemas.sandbox>> {
  return {
    id: sandbox.id,
    name: sandbox.name,
    state: sandbox.state,
    failure: sandbox.failure,
    image: { id: sandbox.imageId, name: await names.of(by, sandbox.imageId) },
    sourceSnapshotId: sandbox.sourceSnapshotId,
    originSnapshotId: sandbox.originSnapshotId,
    parentSandboxId: sandbox.parentSandboxId,
    env: sandbox.env,
    labels: sandbox.labels,
    resources: sandbox.resources,
    volumes: sandbox.volumes,
    remotes: shownRemotes(sandbox.remotes),
    network: sandbox.network,
    credentials: shownCredentials(sandbox.credentials),
    ingress: sandbox.ingress,
    timeout: sandbox.timeout,
    generation: sandbox.generation,
    createdAt: at(sandbox.createdAt),
    startedAt: atOrNull(sandbox.startedAt),
    expiresAt: atOrNull(sandbox.expiresAt),
    haltedAt: atOrNull(sandbox.haltedAt),
    endedAt: atOrNull(sandbox.endedAt),
  }
}

export async function forkedChildJson(
  names: ImageNames,
  by: Principal,
  child: ForkedChild,
): Promise<z.output<typeof schemas.forkedChild>> {
  if (child.sandbox === null) return { sandbox: null, error: child.error }
  return { sandbox: await sandboxJson(names, by, child.sandbox), error: null }
}

export function volumeJson(volume: Volume): z.output<typeof schemas.volume> {
  const { id, name, sizeBytes, createdAt } = volume
  return { id, name, sizeBytes, createdAt: at(createdAt) }
}

export function snapshotJson(snapshot: Snapshot): z.output<typeof schemas.snapshot> {
  return {
    id: snapshot.id,
    name: snapshot.name,
    kind: snapshot.kind,
    state: snapshot.state,
    failure: snapshot.failure,
    sandboxId: snapshot.sandboxId,
    parentId: snapshot.parentId,
    imageId: snapshot.imageId,
    env: snapshot.env,
    resources: snapshot.resources,
    volumes: snapshot.volumes,
    credentials: shownCredentials(snapshot.credentials),
    remotes: shownRemotes(snapshot.remotes),
    network: snapshot.network,
    ingress: snapshot.ingress,
    generation: snapshot.generation,
    requirements: snapshot.requirements,
    receipt: snapshot.receipt,
    sizeBytes: snapshot.sizeBytes,
    labels: snapshot.labels,
    scheduleId: snapshot.scheduleId,
    pinned: snapshot.pinned,
    storage: snapshot.storage && { ...snapshot.storage, at: at(snapshot.storage.at) },
    checkedAt: atOrNull(snapshot.checkedAt),
    verifiedAt: atOrNull(snapshot.verifiedAt),
    checkFailure: snapshot.checkFailure,
    createdAt: at(snapshot.createdAt),
    readyAt: atOrNull(snapshot.readyAt),
    expiresAt: atOrNull(snapshot.expiresAt),
    trashedAt: atOrNull(snapshot.trashedAt),
    purgeAt: atOrNull(snapshot.purgeAt),
  }
}

/** `tags` are those that point to it, as `NAME:TAG`. */
export function imageJson(image: Image, tags: string[]): z.output<typeof schemas.image> {
  return {
    id: image.id,
    name: image.name,
    state: image.state,
    failure: image.failure,
    source: image.source,
    defaults: image.defaults,
    tags,
    resources: image.resources,
    startsFromMemory: image.bootSnapshotId !== null,
    parentImageId: image.parentImageId,
    sizeBytes: image.sizeBytes,
    labels: image.labels,
    createdAt: at(image.createdAt),
    readyAt: atOrNull(image.readyAt),
  }
}

export function registryJson(registry: Registry): z.output<typeof schemas.registry> {
  return {
    id: registry.id,
    name: registry.name,
    url: registry.url,
    username: registry.username,
    createdAt: at(registry.createdAt),
    updatedAt: at(registry.updatedAt),
  }
}

export function secretJson({ name, hosts, version, createdAt, updatedAt }: Secret): z.output<typeof schemas.secret> {
  return { name, hosts, version, createdAt: at(createdAt), updatedAt: at(updatedAt) }
}

export function scheduleJson(schedule: ScheduleView): z.output<typeof schemas.schedule> {
  const { lastTick } = schedule
  return {
    id: schedule.id,
    sandboxId: schedule.sandboxId,
    cron: schedule.cron,
    timeZone: schedule.timeZone,
    kind: schedule.kind,
    keep: schedule.keep,
    enabled: schedule.enabled,
    createdAt: at(schedule.createdAt),
    lastTick: lastTick === null ? null : { ...lastTick, at: at(lastTick.at) },
    nextAt: atOrNull(schedule.nextAt),
  }
}

export function nameJson(name: Name, tags: Tag[]): z.output<typeof schemas.nameWithTags> {
  return {
    id: name.id,
    name: name.name,
    tags: tags.map(({ tag, imageId, snapshotId, createdAt }) => ({
      tag,
      imageId,
      snapshotId,
      createdAt: at(createdAt),
    })),
    createdAt: at(name.createdAt),
  }
}

export function logEntryJson(entry: BuildLogEntry): z.output<typeof schemas.buildLog>['entries'][number] {
  return { at: at(entry.at), level: entry.level, step: entry.step, message: entry.message }
}

/** Without `detail`, which is for recovery. */
export function operationJson(operation: Operation): z.output<typeof schemas.operation> {
  return {
    id: operation.id,
    kind: operation.kind,
    state: operation.state,
    phase: operation.phase,
    sandboxId: operation.sandboxId,
    snapshotId: operation.snapshotId,
    imageId: operation.imageId,
    result: pushedBy(operation),
    error: operation.error,
    createdAt: at(operation.createdAt),
    endedAt: atOrNull(operation.endedAt),
  }
}

export function operationChangeJson(change: {
  operation: Operation
  progress: OperationProgress | null
}): z.output<typeof schemas.operationChange> {
  return { operation: operationJson(change.operation), progress: change.progress }
}

export function eventJson(event: Event): z.output<typeof schemas.event> {
  return {
    seq: event.seq,
    type: event.type,
    sandboxId: event.sandboxId,
    snapshotId: event.snapshotId,
    imageId: event.imageId,
    data: event.data,
    at: at(event.at),
  }
}

export function exitJson(exit: ProcessExit): z.output<typeof schemas.processExit> {
  return { code: exit.code, signal: exit.signal, timedOut: exit.timedOut, at: at(exit.at) }
}

export function processJson(process: ProcessInfo): z.output<typeof schemas.processInfo> {
  return {
    id: process.id,
    pid: process.pid,
    args: process.args,
    cwd: process.cwd,
    user: process.user,
    tag: process.tag,
    pty: process.pty,
    startedAt: at(process.startedAt),
    exit: process.exit === null ? null : exitJson(process.exit),
  }
}

/** Text where the bytes are UTF-8, else base64. */
export function encoded(data: Buffer): { data: string; encoding: 'utf8' | 'base64' } {
  return isUtf8(data)
    ? { data: data.toString('utf8'), encoding: 'utf8' }
    : { data: data.toString('base64'), encoding: 'base64' }
}

export function outputJson(item: ProcessOutput): z.output<typeof schemas.outputLine> {
  switch (item.type) {
    case 'data':
      return { type: 'data', stream: item.stream, offset: item.offset, ...encoded(item.data) }
    case 'gap':
      return { type: 'gap', stream: item.stream, offset: item.offset, resumeAt: item.resumeAt }
    case 'exit':
      return { type: 'exit', exit: exitJson(item.exit) }
  }
}

export function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0')
}

export function fileJson(file: FileInfo): z.output<typeof schemas.fileInfo> {
  return {
    path: file.path,
    name: file.name,
    type: file.type,
    sizeBytes: file.sizeBytes,
    mode: modeText(file.mode),
    uid: file.uid,
    gid: file.gid,
    owner: file.owner,
    group: file.group,
    modifiedAt: at(file.modifiedAt),
    symlinkTarget: file.symlinkTarget,
  }
}
