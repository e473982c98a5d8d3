import type { Snapshot } from '../model.ts'
import type { Captured } from '../operations/capture.ts'

export const MANIFEST_VERSION = 1

/** What is written beside a snapshot's data, so that it can be understood without the ledger; see docs/snapshot-format.md. */
export function manifestOf(snapshot: Snapshot, captured: Captured): Record<string, unknown> {
  return {
    formatVersion: MANIFEST_VERSION,
    id: snapshot.id,
    kind: snapshot.kind,
    name: snapshot.name,
    teamId: snapshot.teamId,
    sandboxId: snapshot.sandboxId,
    parentId: snapshot.parentId,
    imageId: snapshot.imageId,
    defaults: snapshot.defaults,
    env: snapshot.env,
    resources: snapshot.resources,
    network: snapshot.network,
    ingress: snapshot.ingress,
    generation: snapshot.generation,
    requirements: captured.requirements,
    standstillMs: captured.standstillMs,
    consistency: captured.consistency,
    hooks: captured.hooks,
    census: captured.census,
    createdAt: snapshot.createdAt.toISOString(),
  }
}
