import type { Command } from 'commander'
import type { Schedule } from 'spawnpoint'
import { printable } from '../../output/printable.ts'
import { formatAge } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addList(parent: Command): void {
  verb(
    parent,
    'list',
    'list schedules',
    async (cli, options) => {
      const schedules = await cli.client.schedules.list({ sandbox: options.sandbox }).toArray()
      await cli.table(
        schedules,
        [
          { title: 'ID', value: ({ id }) => id },
          { title: 'SANDBOX', value: ({ sandboxId }) => sandboxId },
          { title: 'CRON', value: ({ cron }) => printable(cron) },
          { title: 'ZONE', value: ({ timeZone }) => timeZone },
          { title: 'KIND', value: ({ kind }) => kind },
          { title: 'KEEPS', value: keeps },
          { title: 'LAST', value: last },
          { title: 'NEXT', value: ({ nextAt }) => (nextAt === null ? 'off' : formatAge(nextAt)) },
        ],
        'No schedules. Make one with: spawnpoint schedule create SANDBOX CRON',
      )
    },
    (command) => command.alias('ls').option('--sandbox <sandbox>', 'only of this sandbox'),
  )
}

export function last({ lastTick }: Schedule): string {
  if (lastTick === null) return '-'
  const { outcome, reason } = lastTick
  return reason === null ? outcome : `${outcome}: ${reason}`
}

export function keeps({ keep }: Schedule): string {
  const rules = Object.entries(keep).flatMap(([name, count]) => (count === null ? [] : [`${count} ${name}`]))
  return rules.join(', ') || 'all'
}
