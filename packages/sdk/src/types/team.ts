export interface Team {
  id: string
  name: string
  /** Milliseconds that snapshots are kept unless told otherwise; `null` for ever */
  snapshotRetentionMs: number | null
  /** Milliseconds that deleted snapshots can be brought back; 0 for no trash */
  trashMs: number
  /** The most that it may have at once; `null` for no limit */
  limits: TeamLimits
  /** What of its limits it has used */
  used: TeamUse
  createdAt: Date
}

export interface TeamLimits {
  /** That run, or are being brought up or down; not those that are paused or stopped */
  sandboxes: number | null
  /** Of these sandboxes together */
  cpus: number | null
  memoryBytes: number | null
  /** That it keeps, failed ones apart */
  snapshots: number | null
  /** Of snapshots, and of the memory of paused sandboxes */
  storageBytes: number | null
  /** The longest that a snapshot may be kept, in milliseconds */
  snapshotRetentionMs: number | null
}

export interface TeamUse {
  sandboxes: number
  cpus: number
  memoryBytes: number
  snapshots: number
  storageBytes: number
}

/** What is absent stays as it is. */
export type LimitsChange = { [L in keyof TeamLimits]?: number | null | undefined }

/**
 * `read`: look at everything, files in sandboxes included. `write`: that, and make, change, use and delete. `admin`: keys,
 * settings of the team, its audit log. `server`: all teams, and their limits.
 */
export type Scope = 'read' | 'write' | 'admin' | 'server'

export interface ApiKey {
  id: string
  name: string
  /** First characters of the key, to tell keys apart in a list */
  hint: string
  scopes: Scope[]
  /** Whose it is: a name or an address */
  member: string | null
  createdAt: Date
  lastUsedAt: Date | null
  revokedAt: Date | null
}

export interface CreateKey {
  name: string
  /** Default `read`, `write` and `admin` */
  scopes?: Scope[] | undefined
  member?: string | undefined
}

export interface UsageRequest {
  /** Default 30 days before `to` */
  from?: Date | undefined
  /** Excluded; default now */
  to?: Date | undefined
  /** A row for each day in UTC, for each sandbox, or both; default one row in all */
  by?: ('day' | 'sandbox')[] | undefined
}

/** Sums of what was used. */
export interface UsageRow {
  /** `null` where it is not told apart, as `day` and `sandboxId` */
  teamId: string | null
  /** `YYYY-MM-DD`, in UTC */
  day: string | null
  sandboxId: string | null
  /** Time that sandboxes ran */
  sandboxSeconds: number
  /** The same times the processors they might use */
  cpuSeconds: number
  /** Processor time that they did use */
  cpuUsedSeconds: number
  /** Time that they ran times their memory in GiB */
  memoryGibSeconds: number
  /** Hours that snapshots were kept times their size in GiB */
  snapshotGibHours: number
}

export interface AuditFilter {
  from?: Date | undefined
  /** Excluded */
  to?: Date | undefined
  member?: string | undefined
  keyId?: string | undefined
  /** A call, or all of a subject: `snapshots.` */
  what?: string | undefined
  target?: string | undefined
}

/** Who has asked for what, and what became of it. */
export interface AuditEntry {
  id: string
  at: Date
  /** Which protocol it came through */
  door: string
  /** `null` where another proof than a key was shown */
  keyId: string | null
  keyName: string | null
  member: string | null
  /** The call: `sandboxes.create` */
  what: string
  target: string | null
  /** `done`, `accepted` (see its operation), or the code of an error */
  outcome: string
  operationId: string | null
}
