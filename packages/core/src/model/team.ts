import type { KeyId, TeamId } from '../ids.ts'

/** Free-form `key: value` pairs; at most 64, keys 1 to 128 characters, values up to 1,024. */
export type Labels = Record<string, string>
export type Env = Record<string, string>

export interface Team {
  id: TeamId
  /** Unique; `[a-z0-9]`, then up to 62 more of these and `-` */
  name: string
  /** Milliseconds that its snapshots are kept unless told otherwise when taken; `null` for ever */
  snapshotRetentionMs: number | null
  createdAt: Date
}

export interface ApiKey {
  id: KeyId
  teamId: TeamId
  name: string
  /** First characters of the key, to tell keys apart in a list */
  hint: string
  createdAt: Date
  lastUsedAt: Date | null
  revokedAt: Date | null
}
