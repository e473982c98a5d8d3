import type { Principal } from '../api.ts'
import type { ApiKey, LimitsChange, Team, TeamUse } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'

export interface TeamView extends Team {
  used: TeamUse
}

/** For who runs the server: all of it needs the scope `server`. */
export interface TeamsApi {
  /** With its first key, whose `secret` is shown this once. Rejects `name_taken`. */
  create(
    by: Principal,
    request: { name: string; limits?: LimitsChange | undefined },
  ): Promise<{ team: TeamView; key: ApiKey; secret: string }>
  /** By id or name. */
  get(by: Principal, ref: string): Promise<TeamView>
  list(by: Principal, page: PageRequest): Promise<Page<TeamView>>
  /** What is absent stays. Nothing that a team has already is taken away from it. */
  update(by: Principal, ref: string, request: { limits?: LimitsChange | undefined }): Promise<TeamView>
}
