import type { Principal, Started } from '../api.ts'
import type { Labels, Snapshot, SnapshotKind, SnapshotState } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'

export interface CreateSnapshotRequest {
  kind: SnapshotKind
  /** `[a-z0-9][a-z0-9._-]{0,127}`; may be used again */
  name?: string | undefined
  /** Tag of `name`, which must be given, that points to the snapshot once it is ready */
  tag?: string | undefined
  labels?: Labels | undefined
  /** Milliseconds until it is deleted, `null` for never; absent for what the team has set */
  ttlMs?: number | null | undefined
  /** Run the sandbox's `pre-snapshot` hooks; default true */
  hooks?: boolean | undefined
  /** A failing hook fails the snapshot; default false */
  requireHooks?: boolean | undefined
  /** What to do while another operation on the sandbox is under way; default `wait` */
  whenBusy?: 'wait' | 'reject' | undefined
}

export interface SnapshotListFilter {
  states?: SnapshotState[] | undefined
  kind?: SnapshotKind | undefined
  name?: string | undefined
  nameContains?: string | undefined
  sandbox?: string | undefined
  parent?: string | undefined
  labels?: Labels | undefined
}

export interface SnapshotsApi {
  create(by: Principal, sandboxRef: string, request: CreateSnapshotRequest): Promise<Started<Snapshot>>
  get(by: Principal, ref: string): Promise<Snapshot>
  list(by: Principal, filter: SnapshotListFilter, page: PageRequest): Promise<Page<Snapshot>>
  update(
    by: Principal,
    ref: string,
    request: { labels?: Labels | undefined; ttlMs?: number | null | undefined; pinned?: boolean | undefined },
  ): Promise<Snapshot>
  /** Waits for restores under way. With `ifUnused`, rejects `in_use` while sandboxes started from it live. */
  delete(by: Principal, ref: string, options?: { ifUnused?: boolean }): Promise<void>
}
