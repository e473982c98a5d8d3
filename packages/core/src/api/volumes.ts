import type { Principal } from '../api.ts'
import type { Volume } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'

export interface CreateVolumeRequest {
  /** Unique among the team's; `[A-Za-z0-9][A-Za-z0-9._-]{0,127}` */
  name: string
  /** 1 MiB to 1 TiB; default 10 GiB. No space is set aside for it */
  sizeBytes?: number | undefined
}

export interface MountRequest {
  /** Id or name of the volume */
  volume: string
  /** Absolute, not `/` and not below what the server mounts itself: `/proc`, `/sys`, `/dev`, `/run`, `/tmp`, `/var/tmp` */
  path: string
  readOnly?: boolean | undefined
}

export interface VolumesApi {
  create(by: Principal, request: CreateVolumeRequest): Promise<Volume>
  /** By id or name. */
  get(by: Principal, ref: string): Promise<Volume>
  /** Newest first. */
  list(by: Principal, filter: { nameContains?: string | undefined }, page: PageRequest): Promise<Page<Volume>>
  usage(by: Principal, ref: string): Promise<{ usedBytes: number }>
  /** 1 MiB to 1 TiB, not less than it holds; also while it is mounted. */
  resize(by: Principal, ref: string, request: { sizeBytes: number }): Promise<Volume>
  /** With all that is in it. Rejects `in_use` while a living sandbox mounts it. */
  delete(by: Principal, ref: string): Promise<void>
}
