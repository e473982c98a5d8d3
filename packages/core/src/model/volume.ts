import type { TeamId, VolumeId } from '../ids.ts'

/** Files that outlive sandboxes, which mount them: of several at a time all see what one writes. */
export interface Volume {
  id: VolumeId
  teamId: TeamId
  /** Unique among the team's */
  name: string
  /** The most that it holds, in bytes */
  sizeBytes: number
  createdAt: Date
}

/** Fixed when a sandbox is made, as the memory of its programs holds on to them. Snapshots and roll backs leave them as they are. */
export interface VolumeMount {
  volumeId: VolumeId
  /** Where it is inside; absolute, made if it is missing */
  path: string
  readOnly: boolean
}
