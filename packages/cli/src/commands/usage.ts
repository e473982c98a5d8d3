import type { Command } from 'commander'
import type { UsageRequest, UsageRow } from 'spawnpoint'
import { UsageError } from '../exit.ts'
import { momentFrom } from '../moment.ts'
import { collect } from '../options.ts'
import type { Column } from '../output/table.ts'
import { type Options, verb } from '../verb.ts'

const SUMS: Column<UsageRow>[] = [
  { title: 'SANDBOX HOURS', value: (row) => hours(row.sandboxSeconds) },
  { title: 'CPU HOURS', value: (row) => hours(row.cpuSeconds) },
  { title: 'CPU HOURS USED', value: (row) => hours(row.cpuUsedSeconds) },
  { title: 'MEMORY GIB HOURS', value: (row) => hours(row.memoryGibSeconds) },
  { title: 'SNAPSHOT GIB HOURS', value: (row) => row.snapshotGibHours.toFixed(3) },
]
const GROUPS: Column<UsageRow>[] = [
  { title: 'TEAM', value: ({ teamId }) => teamId ?? '' },
  { title: 'DAY', value: ({ day }) => day ?? '' },
  { title: 'SANDBOX', value: ({ sandboxId }) => sandboxId ?? '' },
]

export function addUsage(parent: Command): void {
  verb(
    parent,
    'usage',
    'what the team has used',
    async (cli, options) => {
      const { team, allTeams } = options
      const request = { ...requestFrom(options), team }
      const ofTeams = team !== undefined || allTeams
      if (options.csv) {
        await cli.write(await (ofTeams ? cli.client.teams.csv(request) : cli.client.usage.csv(request)))
        return
      }
      const rows = await (ofTeams ? cli.client.teams.usage(request) : cli.client.usage.rows(request))
      const told = [ofTeams, request.by.includes('day'), request.by.includes('sandbox')]
      await cli.table(rows, [...GROUPS.filter((_, n) => told[n]), ...SUMS], 'Nothing was used.')
    },
    (command) =>
      command
        .option('--by <day|sandbox>', 'a row for each; may be given twice', collect)
        .option('--from <time>', 'a date, a time, or how long ago such as 7d; else 30 days before --to')
        .option('--to <time>', 'the same, itself excluded; else now')
        .option('--csv', 'comma-separated values with a header')
        .option('--team <team>', 'of another team; needs the admin key of the server')
        .option('--all-teams', 'a row for each team; needs the admin key of the server'),
  )
}

function requestFrom({ by, from, to }: Options): UsageRequest & { by: ('day' | 'sandbox')[] } {
  return {
    from: from === undefined ? undefined : momentFrom(from),
    to: to === undefined ? undefined : momentFrom(to),
    by: ((by ?? []) as string[]).flatMap((text) => text.split(',')).map(groupFrom),
  }
}

function groupFrom(text: string): 'day' | 'sandbox' {
  if (text === 'day' || text === 'sandbox') return text
  throw new UsageError(`--by is day or sandbox, not '${text}'`)
}

function hours(seconds: number): string {
  return (seconds / 3_600).toFixed(3)
}
