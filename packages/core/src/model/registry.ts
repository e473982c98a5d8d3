import type { RegistryId, TeamId } from '../ids.ts'

/** Where a team's images are kept, and as whom it may get and put them there. */
export interface Registry {
  id: RegistryId
  teamId: TeamId
  /** Unique among the team's */
  name: string
  /** `https://HOST[:PORT][/PREFIX]`, or `http://…` for one without TLS */
  url: string
  username: string | null
  createdAt: Date
  updatedAt: Date
}
