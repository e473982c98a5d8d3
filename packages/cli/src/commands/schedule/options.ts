import type { Command } from 'commander'
import type { KeepRule, NewSandboxSchedule, SnapshotKind } from 'spawnpoint'
import { UsageError } from '../../exit.ts'
import { collect, integer, pairs, present } from '../../options.ts'
import type { Options } from '../../verb.ts'

const RULES = ['last', 'hourly', 'daily', 'weekly', 'monthly'] as const

export function declareTimes(command: Command): Command {
  command.option('--timezone <zone>', 'time zone of the cron fields, such as Europe/Berlin; else UTC')
  command.option('--kind <memory|filesystem>', 'what the snapshots hold')
  for (const rule of RULES) {
    const what = rule === 'last' ? 'newest' : `${rule} ones`
    command.option(`--keep-${rule} <number|all>`, `how many of the ${what} stay`)
  }
  return command
}

/** Fields that were not given are absent. */
export function timesFrom(options: Options) {
  const { timezone, kind } = options
  const keep: Partial<KeepRule> = {}
  for (const rule of RULES) {
    const given = options[`keep${rule[0]?.toUpperCase()}${rule.slice(1)}`]
    if (given !== undefined) keep[rule] = given === 'all' ? null : integer(given)
  }
  return { timeZone: timezone, kind: kindFrom('--kind', kind), keep: present(keep) }
}

/** Options of the schedule that a new sandbox has from its first moment. */
export function declareNewSchedule(command: Command): Command {
  return command
    .option('--schedule <cron>', "take snapshots of it at set times, such as '*/30 * * * *'")
    .option('--schedule-kind <memory|filesystem>', 'what these snapshots hold')
    .option(
      '--schedule-keep <[rule=]number>',
      `how many of them stay: of the newest, or by ${RULES.join(', ')}; may be given several times`,
      collect,
    )
    .option('--schedule-timezone <zone>', 'time zone of the cron fields, such as Europe/Berlin; else UTC')
}

/** `undefined` if there is to be none. Throws `UsageError`. */
export function newScheduleFrom(options: Options): NewSandboxSchedule | undefined {
  const { schedule: cron, scheduleKind, scheduleKeep, scheduleTimezone } = options
  const more = present({
    kind: kindFrom('--schedule-kind', scheduleKind),
    keep: keepFrom(scheduleKeep),
    timeZone: scheduleTimezone,
  })
  if (cron !== undefined) return { cron, ...more }
  if (more !== undefined) throw new UsageError('give the times of the schedule too, with --schedule CRON')
  return undefined
}

function keepFrom(given: string[] | undefined): Partial<KeepRule> | undefined {
  const named = given?.map((text) => (text.includes('=') ? text : `last=${text}`))
  const keep: Partial<KeepRule> = {}
  for (const [name, count] of Object.entries(pairs(named, 'rule') ?? {})) {
    const rule = RULES.find((one) => one === name)
    if (rule === undefined) throw new UsageError(`--schedule-keep is by ${RULES.join(', ')}, not by '${name}'`)
    keep[rule] = integer(count)
  }
  return present(keep)
}

function kindFrom(option: string, text: string | undefined): SnapshotKind | undefined {
  if (text === undefined || text === 'memory' || text === 'filesystem') return text
  throw new UsageError(`${option} is memory or filesystem, not '${text}'`)
}
