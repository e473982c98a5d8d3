import type { UsageRow } from 'spawnpoint'

export type Measure = 'sandboxSeconds' | 'cpuUsedSeconds' | 'memoryGibSeconds' | 'snapshotGibHours'

const DAY_S = 86_400

/** A value for every day of the range, in order: days without use have no row. Days are in UTC. */
export function perDay(
  rows: readonly UsageRow[],
  measure: Measure,
  from: Date,
  to: Date,
): { times: number[]; values: number[] } {
  const byDay = new Map<string, number>()
  for (const row of rows) if (row.day !== null) byDay.set(row.day, (byDay.get(row.day) ?? 0) + row[measure])
  const first = Math.floor(from.getTime() / 1000 / DAY_S) * DAY_S
  const last = Math.floor((to.getTime() - 1) / 1000 / DAY_S) * DAY_S
  const times: number[] = []
  for (let time = first; time <= last; time += DAY_S) times.push(time)
  const values = times.map((time) => byDay.get(new Date(time * 1000).toISOString().slice(0, 10)) ?? 0)
  return { times, values }
}

/** Of all rows. */
export function total(rows: readonly UsageRow[], measure: Measure): number {
  return rows.reduce((sum, row) => sum + row[measure], 0)
}
