import type { CallOptions } from './options.ts'
import type { Transport } from './transport.ts'
import type { DeletePlan, DeleteSnapshot, SnapshotInfo } from './types.ts'
import { toSnapshotInfo } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

type Options = CallOptions & DeleteSnapshot

/** `null`: it is gone, and not in the trash. */
export async function deleteSnapshot(
  transport: Transport,
  ref: string,
  { ifUnused, permanent, ...call }: Options,
): Promise<SnapshotInfo | null> {
  const query = { ifUnused, permanent }
  const wire = await transport.json<Schemas['Snapshot'] | undefined>({
    method: 'DELETE',
    path: pathOf(ref),
    query,
    ...call,
  })
  return wire === undefined ? null : toSnapshotInfo(wire)
}

export async function planDeletion(
  transport: Transport,
  ref: string,
  { ifUnused, permanent, ...call }: Options,
): Promise<DeletePlan> {
  const query = { ifUnused, permanent, dry_run: true }
  const wire = await transport.json<Schemas['DeletePlan']>({ method: 'DELETE', path: pathOf(ref), query, ...call })
  return {
    ...wire,
    snapshot: toSnapshotInfo(wire.snapshot),
    purgeAt: wire.purgeAt === null ? null : new Date(wire.purgeAt),
  }
}

export async function undeleteSnapshot(transport: Transport, ref: string, call: CallOptions): Promise<SnapshotInfo> {
  const path = `${pathOf(ref)}/restore-from-trash`
  return toSnapshotInfo(await transport.json<Schemas['Snapshot']>({ method: 'POST', path, ...call }))
}

function pathOf(ref: string): string {
  return `/v1/snapshots/${encodeURIComponent(ref)}`
}
