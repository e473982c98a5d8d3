import type { ImageId, OperationId, SandboxId, SnapshotId, TeamId } from '../ids.ts'

export type OperationKind =
  | 'image.build'
  | 'image.delete'
  | 'sandbox.create'
  | 'sandbox.pause'
  | 'sandbox.resume'
  | 'sandbox.stop'
  | 'sandbox.start'
  | 'sandbox.fork'
  | 'sandbox.rollback'
  | 'sandbox.kill'
  | 'snapshot.create'
  | 'snapshot.delete'
  | 'snapshot.check'
  | 'snapshot.drill'
  | 'archive.push'
  | 'archive.pull'

export type OperationState = 'open' | 'done' | 'failed'

/** A recorded piece of work. `phase` says what had begun when the server last wrote; start-up finishes or undoes it. */
export interface Operation {
  id: OperationId
  teamId: TeamId
  kind: OperationKind
  state: OperationState
  phase: string
  sandboxId: SandboxId | null
  snapshotId: SnapshotId | null
  imageId: ImageId | null
  /** What its recovery needs; each kind has its own shape, see `operations/` */
  detail: Record<string, unknown>
  error: { code: string; message: string } | null
  createdAt: Date
  endedAt: Date | null
}

/** Something that happened, past tense: `sandbox.paused`, `snapshot.ready`. */
export interface Event {
  /** Increasing number, the cursor of event streams */
  seq: number
  teamId: TeamId
  type: string
  sandboxId: SandboxId | null
  snapshotId: SnapshotId | null
  imageId: ImageId | null
  data: Record<string, unknown>
  at: Date
}
