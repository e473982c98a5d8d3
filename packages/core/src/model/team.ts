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
  /** Milliseconds that deleted snapshots can be brought back; 0 for no trash */
  trashMs: number
  limits: TeamLimits
  createdAt: Date
}

/** The most that a team may have at once; `null` for no limit. */
export interface TeamLimits {
  /** That run, or are being brought up or down; not those that are paused or stopped */
  sandboxes: number | null
  /** Of these sandboxes together */
  cpus: number | null
  memoryBytes: number | null
  /** That it has taken and not deleted, failed ones apart */
  snapshots: number | null
  /** Of snapshots, and of the memory that paused sandboxes resume from */
  storageBytes: number | null
  /** Milliseconds that a snapshot may be kept; with such a limit none is kept for ever, nor pinned */
  snapshotRetentionMs: number | null
}

/** What is absent stays as it is. */
export type LimitsChange = { [L in keyof TeamLimits]?: number | null | undefined }

/** What of its limits a team has used at one moment. */
export type TeamUse = { [L in Exclude<keyof TeamLimits, 'snapshotRetentionMs'>]: number }

/**
 * What a key may ask for. `read`: look at everything, files in sandboxes included. `write`: that, and make, change, use and
 * delete. `admin`: keys, the team's settings and its audit log. `server`: all teams, and their limits.
 */
export type Scope = 'read' | 'write' | 'admin' | 'server'

export interface ApiKey {
  id: KeyId
  teamId: TeamId
  name: string
  /** First characters of the key, to tell keys apart in a list */
  hint: string
  scopes: Scope[]
  /** Whose it is: a name or an address, as was said when it was made */
  member: string | null
  createdAt: Date
  /** No later than a minute before it really was; `null` if never */
  lastUsedAt: Date | null
  revokedAt: Date | null
}
