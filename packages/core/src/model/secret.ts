import type { SecretId, TeamId } from '../ids.ts'
import type { Labels } from './team.ts'

/** A value that the team's credential rules refer to by its name, and that is told to nobody. */
export interface Secret {
  id: SecretId
  teamId: TeamId
  /** Unique among the team's */
  name: string
  /** The only hosts that it may be sent to, as in `CredentialRule`; none for all */
  hosts: string[]
  labels: Labels
  /** How many values it has had */
  version: number
  createdAt: Date
  /** When its value was given */
  updatedAt: Date
}
