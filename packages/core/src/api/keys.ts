import type { Principal } from '../api.ts'
import type { ApiKey, Team } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'

export interface KeysApi {
  /** `secret` is shown this once; only its hash is kept. */
  create(by: Principal, request: { name: string }): Promise<{ key: ApiKey; secret: string }>
  list(by: Principal, page: PageRequest): Promise<Page<ApiKey>>
  revoke(by: Principal, id: string): Promise<void>
  team(by: Principal): Promise<Team>
}
