import type { Principal } from '../api.ts'
import type { ApiKey, Scope } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'
import type { TeamView } from './teams.ts'

export interface CreateKeyRequest {
  name: string
  /** Default `read`, `write` and `admin`; `server` can be given by who has it */
  scopes?: Scope[] | undefined
  /** Whose it is: a name or an address, 1 to 128 characters */
  member?: string | undefined
}

export interface KeysApi {
  /** `secret` is shown this once; only its hash is kept. */
  create(by: Principal, request: CreateKeyRequest): Promise<{ key: ApiKey; secret: string }>
  /** The caller's own. Rejects `not_found` for who has shown another proof than a key. */
  self(by: Principal): Promise<ApiKey>
  list(by: Principal, page: PageRequest): Promise<Page<ApiKey>>
  revoke(by: Principal, id: string): Promise<void>
  /** The caller's own, with its limits and what of them is used. */
  team(by: Principal): Promise<TeamView>
  /** What is absent stays. Rejects `quota_exceeded` for a retention over the team's limit. */
  updateTeam(
    by: Principal,
    request: { snapshotRetentionMs?: number | null | undefined; trashMs?: number | undefined },
  ): Promise<TeamView>
}
