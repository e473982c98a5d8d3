/** What a team has in the store, measured in the background. */
export interface TeamStorage {
  /** Bytes that nothing of another team refers to: what would come back if all of this team's things went */
  uniqueBytes: number
  /** Bytes that things of other teams refer to as well */
  sharedBytes: number
  snapshots: number
  images: number
  /** Sandboxes that have files of their own, running or not, and volumes */
  roots: number
  /** When it was measured */
  at: Date
}
