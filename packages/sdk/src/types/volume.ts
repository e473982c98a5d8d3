export interface CreateVolume {
  /** Unique among the team's */
  name: string
  /** The most that it holds, 1 MiB to 1 TiB; default 10 GiB */
  sizeBytes?: number | undefined
}

/** Files that outlive the sandboxes which mount them: of several at a time all see what one writes. */
export interface Volume {
  id: string
  name: string
  sizeBytes: number
  createdAt: Date
}

export interface MountVolume {
  /** Id or name */
  volume: string
  /** Absolute */
  path: string
  readOnly?: boolean | undefined
}

export interface VolumeMount {
  volumeId: string
  path: string
  readOnly: boolean
}
