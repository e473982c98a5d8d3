import { Cron } from 'croner'
import { invalidArgument } from '../errors.ts'

const MAX_CHARS = 200

/** Rejects what is not five fields of cron, or a time zone that is not one of the IANA names. */
export function checkCron(cron: string, timeZone: string): void {
  if (cron.length > MAX_CHARS || cron.trim().split(/\s+/).length !== 5)
    throw invalidArgument('cron', 'five fields: minute, hour, day of month, month, day of week')
  try {
    new Intl.DateTimeFormat('en', { timeZone })
  } catch {
    // RangeError, whose text says no more than that.
    throw invalidArgument('timeZone', `not a time zone: ${timeZone.slice(0, 64)}`)
  }
  try {
    if (pattern(cron, timeZone).nextRun() === null) throw new Error('it never fires')
  } catch (error) {
    throw invalidArgument('cron', error instanceof Error ? error.message : String(error))
  }
}

/** First tick after `after`; `null` if there is none any more. Preconditions: `checkCron` accepted it. */
export function nextTick(cron: string, timeZone: string, after: Date): Date | null {
  return pattern(cron, timeZone).nextRun(after)
}

/** Last tick at or before `now` and after `after`; `null` if there is none. */
export function latestTick(cron: string, timeZone: string, after: Date, now: Date): Date | null {
  // A tick of this very moment counts.
  const [latest] = pattern(cron, timeZone).previousRuns(1, new Date(now.getTime() + 1))
  return latest !== undefined && latest > after ? latest : null
}

/** Ticks after `after` up to `until`, counted to 1,000. */
export function ticksBetween(cron: string, timeZone: string, after: Date, until: Date): number {
  const ticks = pattern(cron, timeZone)
  let count = 0
  // One by one: a thousand at once take 20 ms, and mostly there is one.
  for (let tick = ticks.nextRun(after); tick !== null && tick <= until && count < 1_000; tick = ticks.nextRun(tick))
    count += 1
  return count
}

function pattern(cron: string, timeZone: string): Cron {
  return new Cron(cron.trim(), { timezone: timeZone, mode: '5-part', paused: true })
}
