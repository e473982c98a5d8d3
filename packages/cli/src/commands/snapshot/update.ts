import type { Command } from 'commander'
import { UsageError } from '../../exit.ts'
import { declareLabels, pairs, present } from '../../options.ts'
import { parseDurationOrNever } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addUpdate(parent: Command): void {
  verb(
    parent,
    'update <snapshot>',
    'keep a snapshot longer or shorter, or change its labels',
    async (cli, options, ref: string) => {
      const changes = present({
        ttlMs: options.ttl === undefined ? undefined : parseDurationOrNever(options.ttl),
        pinned: options.pin,
        labels: pairs(options.label, 'label'),
      })
      if (changes === undefined) throw new UsageError('say what to change; see spawnpoint snapshot update --help')
      const snapshot = await (await cli.client.snapshots.get(ref)).update(changes)
      await cli.print(snapshot.info, () => `${snapshot.id}\n`)
    },
    (command) =>
      declareLabels(command)
        .option('--ttl <duration|never>', 'delete it after so long from now')
        .option('--pin', 'keep it whatever its expiry and its schedule say')
        .option('--no-pin', 'let these count again'),
  )
}
