import type { SnapshotKind } from './snapshot.ts'

/** How many of a schedule's snapshots stay; `null`s keep all. */
export interface KeepRule {
  /** The newest so many */
  last: number | null
  /** The newest of each of so many hours that have any; likewise days, ISO weeks and months */
  hourly: number | null
  daily: number | null
  weekly: number | null
  monthly: number | null
}

export interface ScheduleTick {
  at: Date
  outcome: 'fired' | 'skipped'
  /** Why it was skipped */
  reason: string | null
  snapshotId: string | null
}

export interface Schedule {
  id: string
  sandboxId: string
  /** Five fields: minute, hour, day of month, month, day of week */
  cron: string
  /** IANA name */
  timeZone: string
  kind: SnapshotKind
  keep: KeepRule
  enabled: boolean
  createdAt: Date
  /** The latest decision; earlier ones are events */
  lastTick: ScheduleTick | null
  nextAt: Date | null
}

export interface UpdateSchedule {
  cron?: string | undefined
  timeZone?: string | undefined
  kind?: SnapshotKind | undefined
  keep?: Partial<KeepRule> | undefined
  enabled?: boolean | undefined
}

/** The schedule that a new sandbox has from its first moment. */
export interface NewSandboxSchedule extends UpdateSchedule {
  cron: string
}

export interface CreateSchedule extends NewSandboxSchedule {
  /** Id or name */
  sandbox: string
}
