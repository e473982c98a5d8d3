import { notFound, SpawnpointError } from '../errors.ts'
import type { Resources, Snapshot, Team, TeamId, TeamLimits, TeamUse } from '../model.ts'
import type { LedgerTx } from '../ports/index.ts'

export const NO_LIMITS: TeamLimits = {
  sandboxes: null,
  cpus: null,
  memoryBytes: null,
  snapshots: null,
  storageBytes: null,
  snapshotRetentionMs: null,
}

/** How each is told of. Some clients look for these words, so none of them stands in the text of another. */
const SAID: { readonly [L in keyof TeamLimits]: (allowed: number, used: number) => string } = {
  sandboxes: (allowed, used) => `Over the team's limit of ${allowed} sandboxes at once: it runs ${used}`,
  cpus: (allowed, used) => `The team may use ${allowed} CPUs at once, and uses ${used}`,
  memoryBytes: (allowed, used) => `The team may use ${mib(allowed)} MiB of memory at once, and uses ${mib(used)}`,
  snapshots: (allowed, used) => `The team may keep ${allowed} snapshots, and keeps ${used}; delete some`,
  storageBytes: (allowed, used) => `The team may use ${mib(allowed)} MiB of storage, and uses ${mib(used)}`,
  snapshotRetentionMs: (allowed) => `The team may keep a snapshot for at most ${allowed} ms`,
}

function mib(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20)
}

export function quotaExceeded(
  limit: keyof TeamLimits,
  allowed: number,
  used: number,
  asked: number,
): SpawnpointError<'quota_exceeded'> {
  return new SpawnpointError('quota_exceeded', SAID[limit](allowed, used), { limit, allowed, used, asked })
}

/**
 * Rejects `quota_exceeded` where the team would come to have more than it may. In the transaction that claims it, after
 * all other locks: of two claims at the same time the second counts the first. Costs one read where nothing is limited.
 * Storage is not known before it is used: any that is left will do.
 */
export async function claimQuota(tx: LedgerTx, teamId: TeamId, asked: Partial<TeamUse>): Promise<Team> {
  const kinds = Object.keys(asked) as (keyof TeamUse)[]
  const seen = await tx.team(teamId)
  if (seen === null) throw notFound('team', teamId)
  if (kinds.every((kind) => seen.limits[kind] === null)) return seen
  const team = (await tx.lockTeam(teamId)) ?? seen
  const use = await tx.teamUse(teamId, kinds)
  for (const kind of kinds) {
    const [allowed, more] = [team.limits[kind], asked[kind] ?? 0]
    if (allowed !== null && use[kind] + more > allowed) throw quotaExceeded(kind, allowed, use[kind], more)
  }
  return team
}

/** What sandboxes that are about to be brought up will count for. */
export function useOf(sandboxes: readonly { resources: Resources }[]): Partial<TeamUse> {
  const sum = (of: (resources: Resources) => number) =>
    sandboxes.reduce((total, { resources }) => total + of(resources), 0)
  return {
    sandboxes: sandboxes.length,
    cpus: sum(({ cpus }) => cpus),
    memoryBytes: sum(({ memoryBytes }) => memoryBytes),
  }
}

/**
 * Milliseconds that a snapshot is kept: as asked, else as the team has set, within its limit. Rejects `quota_exceeded` for
 * more than that, and for ever is more.
 */
export function retentionOf(team: Team, asked: number | null | undefined): number | null {
  const most = team.limits.snapshotRetentionMs
  if (asked !== undefined) {
    if (most !== null && (asked === null || asked > most))
      throw quotaExceeded('snapshotRetentionMs', most, 0, asked ?? Number.MAX_SAFE_INTEGER)
    return asked
  }
  const usual = team.snapshotRetentionMs
  return most === null ? usual : Math.min(usual ?? most, most)
}

/** Rejects `quota_exceeded` for a snapshot that would stay for longer than the team's limit from when it was taken. */
export async function mustKeepWithin(tx: LedgerTx, { teamId, createdAt, expiresAt, pinned }: Snapshot): Promise<void> {
  const most = (await tx.team(teamId))?.limits.snapshotRetentionMs ?? null
  if (most === null) return
  const keptMs = expiresAt === null || pinned ? Number.MAX_SAFE_INTEGER : expiresAt.getTime() - createdAt.getTime()
  if (keptMs > most) throw quotaExceeded('snapshotRetentionMs', most, 0, keptMs)
}
