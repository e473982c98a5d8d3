import type { IncomingMessage } from 'node:http'
import type { Principal, Sandbox, SpawnpointApi } from '@spawnpoint/core'
import { everyPage } from '@spawnpoint/door-kit'
import { dataPlaneUrl } from './address.ts'
import { proxyConfigJson } from './egress.ts'
import { OWN, usersLabels } from './labels.ts'
import { mountConfigJson } from './mounts.ts'
import { keepsNothing } from './reach-box.ts'
import { runConfigJson } from './run-config.ts'
import { boxStatus } from './states.ts'
import { tagsOf } from './tag-values.ts'

type Request = Pick<IncomingMessage, 'headers' | 'socket'>
export type BoxJson = ReturnType<typeof shown>

export async function boxJson(api: SpawnpointApi, by: Principal, sandbox: Sandbox, request: Request): Promise<BoxJson> {
  return shown(sandbox, request, await volumeNames(api, by, [sandbox]))
}

export async function boxesJson(
  api: SpawnpointApi,
  by: Principal,
  sandboxes: readonly Sandbox[],
  request: Request,
): Promise<BoxJson[]> {
  const names = await volumeNames(api, by, sandboxes)
  return sandboxes.map((sandbox) => shown(sandbox, request, names))
}

/** By id; looked for only where any has one. */
async function volumeNames(api: SpawnpointApi, by: Principal, sandboxes: readonly Sandbox[]) {
  if (sandboxes.every(({ volumes }) => volumes.length === 0)) return new Map<string, string>()
  const all = await everyPage((each) => api.volumes.list(by, {}, each))
  return new Map<string, string>(all.map(({ id, name }) => [id, name]))
}

function shown(sandbox: Sandbox, request: Request, volumes: ReadonlyMap<string, string>) {
  const { resources, timeout, labels } = sandbox
  const [changedAt, changedBy] = labels[OWN.changed]?.split(' ') ?? []
  const movedAt = (sandbox.endedAt ?? sandbox.haltedAt ?? sandbox.startedAt ?? sandbox.createdAt).toISOString()
  return {
    id: sandbox.id,
    name: sandbox.name ?? sandbox.id,
    dataplane_url: dataPlaneUrl(request, sandbox.id),
    ...statusJson(sandbox),
    created_at: sandbox.createdAt.toISOString(),
    updated_at: changedAt !== undefined && changedAt > movedAt ? changedAt : movedAt,
    stopped_at: sandbox.haltedAt?.toISOString(),
    idle_ttl_seconds: seconds(timeout.idleTimeoutMs),
    delete_after_stop_seconds: seconds(timeout.deleteAfterMs),
    preserve_memory_on_stop: timeout.onTimeout === 'pause',
    persistent: !keepsNothing(sandbox),
    snapshot_id: labels[OWN.snapshot] ?? sandbox.originSnapshotId ?? sandbox.imageId,
    vcpus: Math.ceil(resources.cpus),
    cpu_millicores: Math.round(resources.cpus * 1000),
    mem_bytes: resources.memoryBytes,
    fs_capacity_bytes: resources.diskBytes,
    run_config: runConfigJson(sandbox),
    labels: usersLabels(labels),
    tag_value_ids: tagsOf(labels),
    proxy_config: proxyConfigJson(sandbox),
    mount_config: mountConfigJson(sandbox.remotes),
    created_by: labels[OWN.createdBy],
    updated_by: changedBy ?? labels[OWN.createdBy],
    volumes: sandbox.volumes.map(({ volumeId, path, readOnly }) => ({
      volume_id: volumeId,
      volume_name: volumes.get(volumeId),
      mount_path: path,
      read_only: readOnly,
    })),
  }
}

export function statusJson(sandbox: Sandbox) {
  return { status: boxStatus(sandbox), status_message: sandbox.failure?.detail }
}

/** Nought is never. */
function seconds(ms: number | null): number {
  return ms === null ? 0 : Math.ceil(ms / 1000)
}
