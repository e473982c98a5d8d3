import type { ImageId, NameId, SnapshotId, TeamId } from '../ids.ts'

/** A resource of its own, whose id stays while what its tags point to changes. */
export interface Name {
  id: NameId
  teamId: TeamId
  name: string
  createdAt: Date
}

/** Points to exactly one image or snapshot. */
export interface Tag {
  nameId: NameId
  tag: string
  imageId: ImageId | null
  snapshotId: SnapshotId | null
  /** When it was set to what it points to now */
  createdAt: Date
}
