import type { Principal } from '../api.ts'
import type { UsageRow } from '../model.ts'

export type UsageGroup = 'day' | 'sandbox'

export interface UsageRequest {
  from: Date
  /** Excluded; at most 400 days after `from` */
  to: Date
  /** One row for each; none for one row in all. Rows are in the order of team, day, sandbox */
  by: readonly UsageGroup[]
}

/** What was used, from the records of the lives of sandboxes and snapshots; kept for 400 days. */
export interface UsageApi {
  /** Of the caller's team. Days and sandboxes without use have no row. Rejects `limit_exceeded` over 100,000 rows. */
  rows(by: Principal, request: UsageRequest): Promise<UsageRow[]>
  /** Of all teams, or of one by id or name, with a row for each team at least. */
  ofTeams(by: Principal, request: UsageRequest & { team?: string | undefined }): Promise<UsageRow[]>
}
