import type { Command } from 'commander'
import type { SnapshotInfo } from 'spawnpoint'
import { collect, declareLabels, pairs } from '../../options.ts'
import { colorOfState } from '../../output/colors.ts'
import { formatAge, formatBytes, formatDuration } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addList(parent: Command): void {
  verb(
    parent,
    'list',
    'list snapshots, newest first',
    async (cli, options) => {
      const list = cli.client.snapshots.list({
        sandbox: options.sandbox,
        kind: options.kind,
        states: options.state,
        nameContains: options.name,
        parent: options.parent,
        labels: pairs(options.label, 'label'),
      })
      const snapshots = (await list.toArray()).map(({ info }) => info)
      if (options.quiet) return cli.ids(snapshots)
      await cli.table(
        snapshots,
        [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name ?? '-' },
          { title: 'KIND', value: ({ kind }) => kind },
          { title: 'STATE', value: ({ state }) => state, color: ({ state }) => colorOfState(state) },
          { title: 'SANDBOX', value: ({ sandboxId }) => sandboxId },
          { title: 'SIZE', value: ({ sizeBytes }) => formatBytes(sizeBytes), align: 'right' },
          {
            title: 'STANDSTILL',
            value: ({ receipt }) => (receipt === null ? '-' : formatDuration(receipt.standstillMs)),
            align: 'right',
          },
          { title: 'CREATED', value: ({ createdAt }) => formatAge(createdAt) },
          { title: 'EXPIRES', value: ({ pinned, expiresAt }) => (pinned ? 'pinned' : formatAge(expiresAt)) },
          // Of what is in the trash, or has failed.
          ...(snapshots.some(({ purgeAt }) => purgeAt !== null)
            ? [{ title: 'GONE', value: ({ purgeAt }: SnapshotInfo) => formatAge(purgeAt) }]
            : []),
        ],
        'No snapshots. Take one with: spawnpoint snapshot create SANDBOX',
      )
    },
    (command) =>
      declareLabels(command)
        .alias('ls')
        .option('-q, --quiet', 'ids only')
        .option('--sandbox <sandbox>', 'only of this sandbox')
        .option('--kind <kind>', 'memory or filesystem')
        .option('--state <state>', 'creating, ready, failed, trashed or deleting', collect)
        .option('--name <text>', 'only whose name contains this')
        .option('--parent <snapshot>', 'only of sandboxes that came from this one'),
  )
}
