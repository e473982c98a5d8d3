import type { Principal } from '../api.ts'
import type { KeepRule, Schedule, SnapshotKind } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'

export interface CreateScheduleRequest extends NewSandboxSchedule {
  /** Id or name of a living sandbox */
  sandbox: string
}

/** The schedule that a new sandbox has from its first moment */
export interface NewSandboxSchedule {
  /** Five fields: minute, hour, day of month, month, day of week */
  cron: string
  /** IANA name; default UTC */
  timeZone?: string | undefined
  kind: SnapshotKind
  /** Default: all are kept */
  keep?: Partial<KeepRule> | undefined
  enabled?: boolean | undefined
}

export interface UpdateScheduleRequest {
  cron?: string | undefined
  timeZone?: string | undefined
  kind?: SnapshotKind | undefined
  keep?: Partial<KeepRule> | undefined
  enabled?: boolean | undefined
}

export interface ScheduleView extends Schedule {
  /** `null` while it is switched off, or if it never fires again */
  nextAt: Date | null
}

/** They end with their sandbox. A tick fires only while that runs and no snapshot of it is in flight. */
export interface SchedulesApi {
  create(by: Principal, request: CreateScheduleRequest): Promise<ScheduleView>
  get(by: Principal, id: string): Promise<ScheduleView>
  list(by: Principal, filter: { sandbox?: string | undefined }, page: PageRequest): Promise<Page<ScheduleView>>
  update(by: Principal, id: string, request: UpdateScheduleRequest): Promise<ScheduleView>
  delete(by: Principal, id: string): Promise<void>
}
