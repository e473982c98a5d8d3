import type { ImageId, OperationId, OperationKind, SandboxId, SandboxState, Snapshot, SnapshotId } from '../model.ts'

export interface DeleteSnapshotOptions {
  /** Not while sandboxes started from it live */
  ifUnused?: boolean | undefined
  /** At once and for good, also one that is in the trash */
  permanent?: boolean | undefined
}

/** What a deletion would do, and to whom. Lists hold at most 500 each, newest first. */
export interface DeletePlan {
  /** As it is now */
  snapshot: Snapshot
  /** How long it could be brought back; `null` if it would be gone at once */
  purgeAt: Date | null
  /** What the store has for it alone, in bytes; they come back when it is gone for good */
  wouldFreeBytes: number
  dependents: {
    /** That live and were started from it or last rolled back to it: they live on, but cannot be rolled back to it */
    sandboxes: { id: SandboxId; name: string | null; state: SandboxState }[]
    /** Taken of sandboxes that came from it: whole without it */
    snapshots: { id: SnapshotId; name: string | null }[]
    /** Being built from it */
    images: { id: ImageId; name: string }[]
    /** That point to it now: it gives them up */
    tags: { name: string; tag: string }[]
  }
  /** Under way with its data; its data stays until they have ended */
  waitsFor: { id: OperationId; kind: OperationKind }[]
  /** Why it would be refused now; `null` if it would not */
  blocked: string | null
}
