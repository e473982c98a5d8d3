import type { Command } from 'commander'
import type { KeepRule, SnapshotKind } from 'spawnpoint'
import { UsageError } from '../../exit.ts'
import { integer, present } from '../../options.ts'
import type { Options } from '../../verb.ts'

const RULES = ['last', 'hourly', 'daily', 'weekly', 'monthly'] as const

export function declareTimes(command: Command): Command {
  command.option('--zone <zone>', 'time zone of the cron fields, such as Europe/Berlin')
  command.option('--kind <memory|filesystem>', 'what the snapshots hold')
  for (const rule of RULES) {
    const what = rule === 'last' ? 'newest' : `${rule} ones`
    command.option(`--keep-${rule} <number|all>`, `how many of the ${what} stay`)
  }
  return command
}

/** Fields that were not given are absent. */
export function timesFrom(options: Options) {
  const { zone, kind } = options
  const keep: Partial<KeepRule> = {}
  for (const rule of RULES) {
    const given = options[`keep${rule[0]?.toUpperCase()}${rule.slice(1)}`]
    if (given !== undefined) keep[rule] = given === 'all' ? null : integer(given)
  }
  return { timeZone: zone, kind: kind === undefined ? undefined : kindFrom(kind), keep: present(keep) }
}

function kindFrom(text: string): SnapshotKind {
  if (text === 'memory' || text === 'filesystem') return text
  throw new UsageError(`--kind is memory or filesystem, not '${text}'`)
}
