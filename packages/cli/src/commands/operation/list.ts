import type { Command } from 'commander'
import { collect, integer } from '../../options.ts'
import { colorOfState } from '../../output/colors.ts'
import { formatAge, formatDuration } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addList(parent: Command): void {
  verb(
    parent,
    'list',
    'list operations, newest first',
    async (cli, options) => {
      const filter = { states: options.state, kinds: options.kind, sandbox: options.sandbox }
      const operations = await cli.client.operations.list(filter).toArray(integer(options.limit))
      await cli.table(
        operations,
        [
          { title: 'ID', value: ({ id }) => id },
          { title: 'KIND', value: ({ kind }) => kind },
          { title: 'STATE', value: ({ state }) => state, color: ({ state }) => colorOfState(state) },
          { title: 'PHASE', value: ({ phase }) => phase },
          { title: 'OF', value: ({ sandboxId, snapshotId, imageId }) => sandboxId ?? snapshotId ?? imageId ?? '-' },
          { title: 'STARTED', value: ({ createdAt }) => formatAge(createdAt) },
          {
            title: 'TOOK',
            value: ({ createdAt, endedAt }) =>
              endedAt === null ? '-' : formatDuration(endedAt.getTime() - createdAt.getTime()),
            align: 'right',
          },
          { title: 'ERROR', value: ({ error }) => error?.code ?? '' },
        ],
        'No operations.',
      )
    },
    (command) =>
      command
        .alias('ls')
        .option('--state <state>', 'open, done or failed', collect)
        .option('--kind <kind>', 'such as snapshot.create', collect)
        .option('--sandbox <sandbox>', 'only of this sandbox')
        .option('--limit <number>', 'at most so many', '50'),
  )
}
