import type { Principal, Started } from '../api.ts'
import type { Env, ImageDefaults, Labels, Snapshot, SnapshotKind, SnapshotState } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'
import type { DeletePlan, DeleteSnapshotOptions } from './trash.ts'

export interface CreateSnapshotRequest {
  kind: SnapshotKind
  /** `[a-z0-9][a-z0-9._-]{0,127}`; may be used again */
  name?: string | undefined
  /** Tag of `name`, which must be given, that points to the snapshot once it is ready */
  tag?: string | undefined
  labels?: Labels | undefined
  /** Whether what is started from it has the sandbox's credentials, secrets too; default false */
  credentials?: boolean | undefined
  /** What its record says of a start command, instead of what its sandbox began with; absent fields stay */
  start?: Partial<Pick<ImageDefaults, 'startCommand' | 'entrypoint' | 'exposedPorts' | 'idle'>> | undefined
  /** What is in the environment of what is started from it, instead of the sandbox's; memory is as it is */
  env?: Env | undefined
  /** Disk of what is started from it, in bytes, unless that asks for another: no less than the sandbox's, which is the default */
  diskBytes?: number | undefined
  /** Whether the sandbox's remotes are brought anew into what is started from it; default false */
  remotes?: boolean | undefined
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
  /** Default: all but `trashed` and `deleting` */
  states?: SnapshotState[] | undefined
  kind?: SnapshotKind | undefined
  name?: string | undefined
  nameContains?: string | undefined
  sandbox?: string | undefined
  parent?: string | undefined
  labels?: Labels | undefined
}

export interface DrillRequest {
  /** Program with its arguments that must end with 0; default `true`, which says that the agent answers */
  probe?: string[] | undefined
  /** Milliseconds that the probe may take; default 60,000, at most an hour */
  timeoutMs?: number | undefined
}

export interface SnapshotsApi {
  create(by: Principal, sandboxRef: string, request: CreateSnapshotRequest): Promise<Started<Snapshot>>
  /** With `trashed`, one in the trash as well, by its id or as `NAME@ID` */
  get(by: Principal, ref: string, options?: { trashed?: boolean | undefined }): Promise<Snapshot>
  list(by: Principal, filter: SnapshotListFilter, page: PageRequest): Promise<Page<Snapshot>>
  update(
    by: Principal,
    ref: string,
    request: { labels?: Labels | undefined; ttlMs?: number | null | undefined; pinned?: boolean | undefined },
  ): Promise<Snapshot>
  /**
   * Into the trash, where nothing finds it but its id with `trashed`; its tags go, and name and id mean nothing any more.
   * Refuses new restores at once and waits for those under way. Resolves to the record with the time until which `undelete`
   * brings it back; `null`: it is gone for good, as `permanent` asks for, or as it has failed, or the team has no trash.
   * Rejects `not_found` for one that is in the trash already, unless `permanent`; `operation_in_progress` while it is being
   * taken; with `ifUnused`, `in_use` while sandboxes started from it live.
   */
  delete(by: Principal, ref: string, options?: DeleteSnapshotOptions): Promise<Snapshot | null>
  /** What `delete` with these options would do now; does nothing. */
  deletePlan(by: Principal, ref: string, options?: DeleteSnapshotOptions): Promise<DeletePlan>
  /**
   * Back from the trash, with the tags that nothing else has got meanwhile. A name means the latest that went there. One
   * that is not in the trash is returned as it is. Rejects `quota_exceeded` where the team has as many as it may.
   */
  undelete(by: Principal, ref: string): Promise<Snapshot>
  /**
   * Reads it back: its files against the store's checksums, its memory against digests from when it was first read. What is
   * wrong is `checkFailure` of the outcome. Rejects `operation_in_progress` while it is checked or drilled.
   */
  check(by: Principal, ref: string): Promise<Started<Snapshot>>
  /**
   * Starts a sandbox from it that nobody sees and that reaches nothing outside, runs the probe in it, and removes it. What
   * went wrong is `checkFailure` of the outcome. Rejects as `check`.
   */
  drill(by: Principal, ref: string, request: DrillRequest): Promise<Started<Snapshot>>
}
