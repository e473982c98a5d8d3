import type { Command } from 'commander'
import { verb } from '../../verb.ts'
import { declareTimes, timesFrom } from './options.ts'

export function addCreate(parent: Command): void {
  verb(
    parent,
    'create <sandbox> <cron>',
    'take snapshots at set times',
    async (cli, options, sandbox: string, cron: string) => {
      const schedule = await cli.client.schedules.create({ sandbox, cron, ...timesFrom(options) })
      await cli.print(schedule, () => `${schedule.id}\n`)
    },
    (command) =>
      declareTimes(command).addHelpText(
        'after',
        '\nEvery half hour: spawnpoint schedule create SANDBOX "*/30 * * * *"',
      ),
  )
}
