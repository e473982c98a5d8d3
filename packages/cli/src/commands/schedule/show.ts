import type { Command } from 'commander'
import { printable } from '../../output/printable.ts'
import { formatAge } from '../../output/units.ts'
import { verb } from '../../verb.ts'
import { keeps, last } from './list.ts'

export function addShow(parent: Command): void {
  verb(parent, 'show <schedule>', 'one schedule and what its last time came to', async (cli, _options, id: string) => {
    const schedule = await cli.client.schedules.get(id)
    const { lastTick, nextAt } = schedule
    await cli.fields(schedule, [
      ['id', schedule.id],
      ['sandbox', schedule.sandboxId],
      ['cron', printable(schedule.cron)],
      ['zone', schedule.timeZone],
      ['kind', schedule.kind],
      ['keeps', keeps(schedule)],
      [
        'last',
        lastTick === null ? null : `${lastTick.at.toISOString()} (${formatAge(lastTick.at)}), ${last(schedule)}`,
      ],
      ['snapshot', lastTick?.snapshotId],
      ['next', nextAt === null ? 'off' : `${nextAt.toISOString()} (${formatAge(nextAt)})`],
    ])
  })
}
