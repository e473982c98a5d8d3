import type { Pushed } from './registry.ts'

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

/** A recorded piece of work. */
export interface Operation {
  id: string
  kind: OperationKind
  state: OperationState
  phase: string
  sandboxId: string | null
  snapshotId: string | null
  imageId: string | null
  /** What a push put where, once it is done */
  result: Pushed | null
  error: { code: string; message: string } | null
  createdAt: Date
  endedAt: Date | null
}

export interface OperationProgress {
  step: string
  /** 0 to 1 where known */
  fraction: number | null
  line: string | null
}

/** Something that happened, past tense: `sandbox.paused`, `snapshot.ready`. */
export interface SpawnpointEvent {
  /** Increasing number, the cursor of event streams */
  seq: number
  type: string
  sandboxId: string | null
  snapshotId: string | null
  imageId: string | null
  data: Record<string, unknown>
  at: Date
}
