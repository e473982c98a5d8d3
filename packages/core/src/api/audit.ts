import type { Principal } from '../api.ts'
import type { AuditEntry } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'

export interface AuditFilter {
  from?: Date | undefined
  /** Excluded */
  to?: Date | undefined
  /** Exact */
  member?: string | undefined
  keyId?: string | undefined
  /** Exact, or all calls of a subject: `snapshots.` */
  what?: string | undefined
  target?: string | undefined
}

/** Every call that changes something, also one that was refused; kept for 90 days. */
export interface AuditApi {
  /** Newest first. */
  list(by: Principal, filter: AuditFilter, page: PageRequest): Promise<Page<AuditEntry>>
}
