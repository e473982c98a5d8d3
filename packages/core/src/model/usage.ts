import type { IncarnationId, SandboxId, SnapshotId, TeamId } from '../ids.ts'

/**
 * The life of one incarnation of a sandbox, or of one snapshot, as it is charged. Begun and ended in the transactions that
 * change the record itself, so that it can neither be lost nor counted twice.
 */
export interface UsageInterval {
  /** The incarnation's or the snapshot's */
  id: IncarnationId | SnapshotId
  kind: 'incarnation' | 'snapshot'
  teamId: TeamId
  sandboxId: SandboxId
  /** What the incarnation may use; 0 for a snapshot */
  cpus: number
  memoryBytes: number
  /** Of the snapshot; 0 for an incarnation */
  storedBytes: number
  startedAt: Date
  /** `null` while it lasts */
  endedAt: Date | null
}

/** Sums over all intervals that overlap with what was asked for. */
export interface UsageRow {
  /** `null` unless grouped by it */
  teamId: TeamId | null
  /** `YYYY-MM-DD`, in UTC; `null` unless grouped by it */
  day: string | null
  sandboxId: SandboxId | null
  /** Time that sandboxes ran, in seconds */
  sandboxSeconds: number
  /** The same times the processors they might use */
  cpuSeconds: number
  /** Processor time that they did use, in seconds; of the last minute before a crash it may miss some */
  cpuUsedSeconds: number
  /** Time that they ran times their memory in GiB */
  memoryGibSeconds: number
  /** Time that snapshots were kept, in hours, times their size in GiB */
  snapshotGibHours: number
}
