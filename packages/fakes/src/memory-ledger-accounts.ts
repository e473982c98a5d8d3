import {
  type AccountReads,
  type AccountWrites,
  COUNTED_STATES,
  type IncarnationId,
  type Resources,
  type Sandbox,
  type TeamUse,
  type UsageFilter,
  type UsageInterval,
  type UsageSums,
} from '@spawnpoint/core'
import { paged, type RunStep, same, searchable } from './memory-ledger-reads.ts'
import type { LedgerTables } from './memory-ledger-store.ts'

const DAY_MS = 86_400_000

/** An interval with what was noted of it. Replaced, never changed. */
export interface UsageRecord {
  interval: UsageInterval
  seenAt: Date
  /** By day, the most that was noted on it */
  cpuMs: ReadonlyMap<string, number>
}

export function accountReads(tables: () => LedgerTables, run: RunStep): AccountReads {
  return {
    teams: (page) => run('teams', () => paged('teams', page, [...tables().teams.values()])),
    teamUse: (id) => run('teamUse', () => useOf(tables(), id)),
    usage: (filter) => run('usage', () => sums(tables(), filter)),
    openIncarnations: () =>
      run('openIncarnations', () =>
        [...tables().usage.values()]
          .filter(({ interval }) => interval.endedAt === null && interval.kind === 'incarnation')
          .map(({ interval, seenAt }) => ({ id: interval.id as IncarnationId, seenAt: new Date(seenAt) })),
      ),
    audit: (query, page) =>
      run('audit', () => {
        for (const name of ['member', 'what', 'whatPrefix', 'target'] as const) searchable(name, query[name])
        const found = [...tables().audit.values()].filter(
          (entry) =>
            entry.teamId === query.teamId &&
            (query.from === undefined || entry.at >= query.from) &&
            (query.to === undefined || entry.at < query.to) &&
            same(query.member, entry.member) &&
            same<string>(query.keyId, entry.keyId) &&
            same(query.what, entry.what) &&
            entry.what.startsWith(query.whatPrefix ?? '') &&
            same(query.target, entry.target),
        )
        return paged('audit', page, found)
      }),
  }
}

export function accountWrites(tables: LedgerTables, run: RunStep): AccountWrites {
  return {
    lockTeam: (id) => run('lockTeam', () => structuredClone(tables.teams.get(id) ?? null)),
    beginUsage: (interval) =>
      run('beginUsage', () => {
        if (tables.usage.has(interval.id)) return
        const { startedAt } = interval
        tables.usage.set(interval.id, { interval: structuredClone(interval), seenAt: startedAt, cpuMs: new Map() })
      }),
    endUsage: (id, at) =>
      run('endUsage', () => {
        const known = tables.usage.get(id)
        if (known === undefined || known.interval.endedAt !== null) return
        const endedAt = new Date(Math.max(at.getTime(), known.interval.startedAt.getTime()))
        tables.usage.set(id, { ...known, interval: { ...known.interval, endedAt } })
      }),
    noteUsage: (notes) =>
      run('noteUsage', () => {
        for (const { id, at, cpuMs } of notes) {
          const known = tables.usage.get(id)
          if (known === undefined) continue
          const { startedAt, endedAt } = known.interval
          const seen = Math.min(at.getTime(), endedAt?.getTime() ?? Number.POSITIVE_INFINITY)
          // One made at midnight is about the day that ends.
          const day = dayOf(Math.max(startedAt.getTime(), seen - 1))
          const most = Math.max(known.cpuMs.get(day) ?? 0, Math.floor(cpuMs))
          tables.usage.set(id, {
            ...known,
            seenAt: new Date(Math.max(seen, known.seenAt.getTime())),
            cpuMs: new Map(known.cpuMs).set(day, most),
          })
        }
      }),
    noteKeyUse: (id, at) =>
      run('noteKeyUse', () => {
        const row = tables.keys.get(id)
        if (row === undefined) return
        const lastUsedAt = new Date(Math.max(at.getTime(), row.key.lastUsedAt?.getTime() ?? 0))
        tables.keys.set(id, { ...row, key: { ...row.key, lastUsedAt } })
      }),
    putAudit: (entry) =>
      run('putAudit', () => {
        for (const name of ['door', 'member', 'keyName', 'what', 'target', 'outcome'] as const)
          searchable(name, entry[name])
        tables.audit.set(entry.id, structuredClone(entry))
      }),
  }
}

function useOf(tables: LedgerTables, id: string): TeamUse {
  const counts = ({ state, incarnationId }: Sandbox) =>
    (COUNTED_STATES as readonly string[]).includes(state) || (state === 'killing' && incarnationId !== null)
  const ours = [...tables.sandboxes.values()].filter(({ teamId }) => teamId === id)
  const living = [...ours.filter(counts).map(({ resources }) => resources), ...builders(tables, id)]
  const snapshots = [...tables.snapshots.values()].filter(({ teamId }) => teamId === id)
  const kept = snapshots.filter(({ internal }) => !internal)
  const resting = snapshots.filter((one) => one.internal && ours.some((box) => box.pausedSnapshotId === one.id))
  const held = kept.filter(({ state }) => state !== 'creating' && state !== 'failed')
  return {
    sandboxes: living.length,
    cpus: sum(living, ({ cpus }) => cpus),
    memoryBytes: sum(living, ({ memoryBytes }) => memoryBytes),
    snapshots: kept.filter(({ state }) => state === 'creating' || state === 'ready').length,
    storageBytes: sum([...held, ...resting], ({ sizeBytes }) => sizeBytes),
  }
}

/** What sandboxes of open builds may use. */
function builders(tables: LedgerTables, id: string): Resources[] {
  return [...tables.operations.values()]
    .filter(({ teamId, kind, state }) => teamId === id && kind === 'image.build' && state === 'open')
    .flatMap(({ detail }) => (detail.builder === undefined ? [] : [detail.builder as Resources]))
}

function sum<T>(rows: T[], of: (row: T) => number): number {
  return rows.reduce((total, row) => total + of(row), 0)
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function sums(tables: LedgerTables, filter: UsageFilter): UsageSums[] {
  const groups = new Map<string, UsageSums>()
  const [from, to] = [filter.from.getTime(), filter.to.getTime()]
  for (const record of tables.usage.values()) {
    const { interval } = record
    if (!same(filter.teamId, interval.teamId)) continue
    const begun = interval.startedAt.getTime()
    const ended = (interval.endedAt ?? filter.now).getTime()
    const last = Math.min(ended, to)
    for (let at = Math.max(begun, from); at < last; ) {
      const midnight = at - (at % DAY_MS)
      const end = Math.min(last, midnight + DAY_MS)
      add(groups, filter, record, { day: dayOf(at), ms: end - at, wholeMs: dayLength(begun, ended, midnight) })
      at = end
    }
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, row]) => row)
    .slice(0, filter.limit)
}

function dayLength(begun: number, ended: number, midnight: number): number {
  return Math.min(ended, midnight + DAY_MS) - Math.max(begun, midnight)
}

function add(
  groups: Map<string, UsageSums>,
  { byTeam, byDay, bySandbox }: UsageFilter,
  { interval, cpuMs }: UsageRecord,
  { day, ms, wholeMs }: { day: string; ms: number; wholeMs: number },
): void {
  const teamId = byTeam ? interval.teamId : null
  const sandboxId = bySandbox ? interval.sandboxId : null
  const key = JSON.stringify([teamId, byDay ? day : null, sandboxId])
  const nothing = { ranMs: 0, cpuMs: 0, cpuUsedMs: 0, memoryByteMs: 0, storedByteMs: 0 }
  const row = groups.get(key) ?? { teamId, day: byDay ? day : null, sandboxId, ...nothing }
  groups.set(key, row)
  const earlier = Math.max(0, ...[...cpuMs].filter(([noted]) => noted < day).map(([, used]) => used))
  if (interval.kind === 'incarnation') row.ranMs += ms
  row.cpuMs += ms * interval.cpus
  row.cpuUsedMs += (((cpuMs.get(day) ?? earlier) - earlier) * ms) / wholeMs
  row.memoryByteMs += ms * interval.memoryBytes
  row.storedByteMs += ms * interval.storedBytes
}
