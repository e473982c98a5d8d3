import type { Image, Name, Principal, Resolved, Snapshot, SpawnpointApi, Tag } from '@spawnpoint/core'
import { includedOf } from './carried.ts'
import { proxyConfigJson } from './egress.ts'
import { imageConfigJson } from './image-config.ts'
import { OWN, usersLabels } from './labels.ts'
import { mountConfigJson } from './mounts.ts'
import { runConfigJson } from './run-config.ts'
import { shownName } from './snapshot-names.ts'
import { snapshotStatus } from './states.ts'

/** Built images and captured snapshots are one kind of thing here. */
export async function snapshotsJson(api: SpawnpointApi, by: Principal, all: readonly Resolved[]) {
  const tagged = await api.names.tagsOf(by, all.map(idOf))
  return all.map((one) => shown(api, one, tagged))
}

export async function snapshotJson(api: SpawnpointApi, by: Principal, one: Resolved) {
  return shown(api, one, await api.names.tagsOf(by, [idOf(one)]))
}

export function idOf(one: Resolved) {
  return 'image' in one ? one.image.id : one.snapshot.id
}

function shown(api: SpawnpointApi, one: Resolved, tagged: readonly { name: Name; tag: Tag }[]) {
  const id = idOf(one)
  const both = 'image' in one ? one.image : one.snapshot
  const named = tagged.filter(({ tag }) => (tag.imageId ?? tag.snapshotId) === id)
  return {
    id,
    // One that was made without a name may have got one since.
    name: shownName(both.name ?? named[0]?.name.name ?? id),
    status: snapshotStatus(both),
    status_message: both.failure ?? undefined,
    fs_capacity_bytes: both.resources.diskBytes ?? api.limits.resources.diskBytes,
    fs_used_bytes: both.state === 'ready' ? both.sizeBytes : undefined,
    ...('image' in one ? ofImage(one.image) : ofSnapshot(one.snapshot)),
    run_config: runConfigJson(both),
    image_config: imageConfigJson(both.defaults),
    labels: usersLabels(both.labels),
    description: both.labels[OWN.description],
    tags: named.map(({ tag }) => tag.tag),
    included: includedOf(both.labels),
    created_by: both.labels[OWN.createdBy],
    created_at: both.createdAt.toISOString(),
    updated_at: (both.readyAt ?? both.createdAt).toISOString(),
  }
}

function ofImage({ source }: Image) {
  return source.type === 'oci'
    ? { docker_image: source.reference, image_digest: source.digest, registry_id: source.registryId }
    : {}
}

function ofSnapshot({ sandboxId, kind, receipt, labels, network, credentials, remotes }: Snapshot) {
  const hasProxy = includedOf(labels).includes('proxy_config') && network !== null
  return {
    ...(hasProxy ? { proxy_config: proxyConfigJson({ network, credentials, labels }) } : {}),
    mount_config: mountConfigJson(remotes),
    source_sandbox_id: sandboxId,
    // Its presence tells that there is memory.
    ...(kind === 'memory' ? { memory_snapshot_size_bytes: receipt?.memoryBytes ?? 0 } : {}),
  }
}
