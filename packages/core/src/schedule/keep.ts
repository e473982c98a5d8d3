import type { KeepRule } from '../model.ts'

type Period = Exclude<keyof KeepRule, 'last'>

const PERIODS: readonly Period[] = ['hourly', 'daily', 'weekly', 'monthly']

/**
 * Which of these stay: the newest `last`, and of each of the newest so many hours, days, weeks and months that have any,
 * the newest one (grandfather, father, son). A rule without numbers keeps all.
 */
export function kept<T extends { createdAt: Date }>(snapshots: readonly T[], rule: KeepRule, timeZone: string): Set<T> {
  const newestFirst = [...snapshots].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
  if (rule.last === null && PERIODS.every((period) => rule[period] === null)) return new Set(newestFirst)
  const stay = new Set(newestFirst.slice(0, rule.last ?? 0))
  const name = periodNames(timeZone)
  for (const period of PERIODS) {
    const seen = new Set<string>()
    for (const snapshot of newestFirst) {
      if (seen.size === (rule[period] ?? 0)) break
      const of = name(snapshot.createdAt)[period]
      if (!seen.has(of)) stay.add(snapshot)
      seen.add(of)
    }
  }
  return stay
}

/** What the hour, day, ISO week and month of an instant are called in a time zone. */
function periodNames(timeZone: string): (at: Date) => Record<Period, string> {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'longOffset', // or the hour that comes twice when summer ends would be one
  })
  return (at) => {
    const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
    const month = `${part.year}-${part.month}`
    const daily = `${month}-${part.day}`
    return { hourly: `${daily} ${part.hour} ${part.timeZoneName}`, daily, weekly: mondayOf(daily), monthly: month }
  }
}

function mondayOf(day: string): string {
  const date = new Date(`${day}T00:00:00Z`)
  date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7))
  return date.toISOString().slice(0, 10)
}
