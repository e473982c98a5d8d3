import type { Command } from 'commander'
import { UsageError } from '../../exit.ts'
import { collect, declareOverrides, integer, mountsFrom, overridesFrom } from '../../options.ts'
import { declareRemotes, remotesFrom } from '../../remotes.ts'
import { verb } from '../../verb.ts'
import { declareNewSchedule, newScheduleFrom } from '../schedule/options.ts'

export function addSpawn(parent: Command): void {
  verb(
    parent,
    'spawn <snapshot>',
    'new sandboxes that go on from a snapshot',
    async (cli, options, ref: string) => {
      const snapshot = await cli.client.snapshots.get(ref)
      const { name, ...overrides } = overridesFrom(options)
      const count = options.count === undefined ? 1 : integer(options.count)
      if (count < 1) throw new UsageError('--count must be at least 1')
      if (count > 1 && name !== undefined) throw new UsageError('--name names one sandbox; leave it out with --count')
      const { cold } = options
      const brought = { volumes: mountsFrom(options.volume), remotes: remotesFrom(options) }
      const each = { ...overrides, cold, ...brought, schedule: newScheduleFrom(options) }
      const sandboxes =
        count === 1 ? [await snapshot.spawn({ ...each, name })] : await snapshot.spawn({ ...each, count })
      await cli.print(
        sandboxes.map(({ info }) => info),
        () => sandboxes.map(({ id }) => `${id}\n`).join(''),
      )
    },
    (command) =>
      declareRemotes(declareNewSchedule(declareOverrides(command)))
        .option('-c, --count <number>', 'how many')
        .option(
          '-v, --volume <volume:path[:ro]>',
          'mount a volume where no memory is restored; may be given several times',
          collect,
        )
        .option('--cold', 'boot from its filesystem alone'),
  )
}
