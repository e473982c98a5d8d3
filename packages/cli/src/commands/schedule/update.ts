import type { Command } from 'commander'
import { UsageError } from '../../exit.ts'
import { present } from '../../options.ts'
import { verb } from '../../verb.ts'
import { declareTimes, timesFrom } from './options.ts'

export function addUpdate(parent: Command): void {
  verb(
    parent,
    'update <schedule>',
    'change a schedule, or switch it on or off',
    async (cli, options, id: string) => {
      const changes = { cron: options.cron, enabled: options.enable, ...timesFrom(options) }
      if (present(changes) === undefined)
        throw new UsageError('say what to change; see spawnpoint schedule update --help')
      const schedule = await cli.client.schedules.update(id, changes)
      await cli.print(schedule, () => `${schedule.id}\n`)
    },
    (command) =>
      declareTimes(command)
        .option('--cron <fields>', 'five fields of cron')
        .option('--enable', 'switch it on')
        .option('--no-enable', 'switch it off'),
  )
}
