import type { SandboxId, ScheduleId, SnapshotId, TeamId } from '../ids.ts'
import type { SnapshotKind } from './snapshot.ts'

/** How many of a schedule's snapshots stay, see `kept`; a rule of `null`s keeps all. */
export interface KeepRule {
  last: number | null
  hourly: number | null
  daily: number | null
  weekly: number | null
  monthly: number | null
}

/** Takes snapshots of a sandbox at set times while that is running. */
export interface Schedule {
  id: ScheduleId
  teamId: TeamId
  sandboxId: SandboxId
  /** Five fields: minute, hour, day of month, month, day of week */
  cron: string
  /** IANA name that the fields are meant in */
  timeZone: string
  kind: SnapshotKind
  keep: KeepRule
  enabled: boolean
  createdAt: Date
  /** Every tick up to here was decided: fired or skipped. Whoever decides one moves this on in the same transaction. */
  decidedUntil: Date
  /** The latest decision; earlier ones are events */
  lastTick: ScheduleTick | null
}

export interface ScheduleTick {
  at: Date
  outcome: 'fired' | 'skipped'
  /** Why it was skipped */
  reason: string | null
  /** `null` while a fired one has not got as far */
  snapshotId: SnapshotId | null
}
