export interface Team {
  id: string
  name: string
  /** Milliseconds that snapshots are kept unless told otherwise; `null` for ever */
  snapshotRetentionMs: number | null
  /** Milliseconds that deleted snapshots can be brought back; 0 for no trash */
  trashMs: number
  createdAt: Date
}

export interface ApiKey {
  id: string
  name: string
  /** First characters of the key, to tell keys apart in a list */
  hint: string
  createdAt: Date
  lastUsedAt: Date | null
  revokedAt: Date | null
}
