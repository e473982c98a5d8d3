export interface Name {
  /** Stays while what the tags point to changes */
  id: string
  name: string
  /** Latest set first; each points to an image or a snapshot. `default` is what the bare name means */
  tags: { tag: string; imageId: string | null; snapshotId: string | null; createdAt: Date }[]
  createdAt: Date
}
