import type { Command } from 'commander'
import { UsageError } from '../../exit.ts'
import { declareOverrides, integer, overridesFrom } from '../../options.ts'
import { verb } from '../../verb.ts'

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
      const each = { ...overrides, cold: options.cold }
      const sandboxes =
        count === 1 ? [await snapshot.spawn({ ...each, name })] : await snapshot.spawn({ ...each, count })
      await cli.print(
        sandboxes.map(({ info }) => info),
        () => sandboxes.map(({ id }) => `${id}\n`).join(''),
      )
    },
    (command) =>
      declareOverrides(command)
        .option('-c, --count <number>', 'how many')
        .option('--cold', 'boot from its filesystem alone'),
  )
}
