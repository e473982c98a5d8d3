import type { Command } from 'commander'
import type { LimitsChange, Team } from 'spawnpoint'
import { UsageError } from '../../exit.ts'
import { integer, present } from '../../options.ts'
import { formatBytes, formatDuration, parseDuration, parseSize } from '../../output/units.ts'
import { type Options, verb } from '../../verb.ts'

export function addLimits(parent: Command): void {
  verb(
    parent,
    'limits <team>',
    'show what a team may have and has, or change it',
    async (cli, options, ref: string) => {
      const limits = limitsFrom(options)
      const { teams } = cli.client
      const team = await (limits === undefined ? teams.get(ref) : teams.update(ref, { limits }))
      await cli.fields(team, limitFields(team))
    },
    declareLimits,
  )
}

export function declareLimits(command: Command): Command {
  return command
    .option('--sandboxes <number|none>', 'how many run at once')
    .option('--cpus <number|none>', 'processors of these together')
    .option('--memory <size|none>', 'memory of these together, such as 64G')
    .option('--snapshots <number|none>', 'how many it keeps')
    .option('--storage <size|none>', 'what its snapshots and paused sandboxes take')
    .option('--retention <duration|none>', 'the longest that a snapshot is kept, such as 30d')
}

/** `undefined` if none was given. */
export function limitsFrom(options: Options): LimitsChange | undefined {
  return present({
    sandboxes: limit(options.sandboxes, integer),
    cpus: limit(options.cpus, processors),
    memoryBytes: limit(options.memory, parseSize),
    snapshots: limit(options.snapshots, integer),
    storageBytes: limit(options.storage, parseSize),
    snapshotRetentionMs: limit(options.retention, parseDuration),
  })
}

/** What it has of what it may have. */
export function limitFields(team: Team): [string, string][] {
  const { limits, used } = team
  const of = (use: string, most: string | null) => `${use} of ${most ?? 'any'}`
  const number = (value: number | null) => (value === null ? null : String(value))
  const bytes = (value: number | null) => (value === null ? null : formatBytes(value))
  return [
    ['id', team.id],
    ['name', team.name],
    ['sandboxes', of(String(used.sandboxes), number(limits.sandboxes))],
    ['cpus', of(String(used.cpus), number(limits.cpus))],
    ['memory', of(formatBytes(used.memoryBytes), bytes(limits.memoryBytes))],
    ['snapshots', of(String(used.snapshots), number(limits.snapshots))],
    ['storage', of(formatBytes(used.storageBytes), bytes(limits.storageBytes))],
    ['longest retention', limits.snapshotRetentionMs === null ? 'any' : formatDuration(limits.snapshotRetentionMs)],
  ]
}

function limit(text: string | undefined, read: (text: string) => number): number | null | undefined {
  if (text === undefined) return undefined
  return text === 'none' ? null : read(text)
}

function processors(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new UsageError(`'${text}' is not a number of processors`)
  return Number(text)
}
