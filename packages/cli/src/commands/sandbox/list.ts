import type { Command } from 'commander'
import { collect, declareLabels, pairs } from '../../options.ts'
import { colorOfState } from '../../output/colors.ts'
import { formatAge, formatBytes } from '../../output/units.ts'
import { verb } from '../../verb.ts'

const ENDED = ['killed', 'failed'] as const
const LIVING = [
  'creating',
  'running',
  'snapshotting',
  'pausing',
  'paused',
  'resuming',
  'stopping',
  'stopped',
  'starting',
  'rolling_back',
  'killing',
] as const

export function addList(parent: Command): void {
  verb(
    parent,
    'list',
    'list sandboxes, newest first',
    async (cli, options) => {
      const list = cli.client.sandboxes.list({
        states: options.all ? [...LIVING, ...ENDED] : options.state,
        name: options.name,
        image: options.image,
        snapshot: options.snapshot,
        labels: pairs(options.label, 'label'),
      })
      const sandboxes = (await list.toArray()).map(({ info }) => info)
      if (options.quiet) return cli.ids(sandboxes)
      await cli.table(
        sandboxes,
        [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name ?? '-' },
          { title: 'STATE', value: ({ state }) => state, color: ({ state }) => colorOfState(state) },
          { title: 'IMAGE', value: ({ image }) => image.name ?? image.id },
          { title: 'FROM', value: ({ sourceSnapshotId }) => sourceSnapshotId ?? '-' },
          { title: 'CPUS', value: ({ resources }) => String(resources.cpus), align: 'right' },
          { title: 'MEMORY', value: ({ resources }) => formatBytes(resources.memoryBytes), align: 'right' },
          { title: 'CREATED', value: ({ createdAt }) => formatAge(createdAt) },
          { title: 'EXPIRES', value: ({ expiresAt }) => formatAge(expiresAt) },
        ],
        'No sandboxes. Make one with: spawnpoint sandbox create IMAGE',
      )
    },
    (command) =>
      declareLabels(command)
        .alias('ls')
        .option('-a, --all', 'ended ones too')
        .option('-q, --quiet', 'ids only')
        .option('--state <state>', 'only in this state; may be given several times', collect)
        .option('--name <name>', 'only of this name')
        .option('--image <image>', 'only from this image')
        .option('--snapshot <snapshot>', 'only from this snapshot'),
  )
}
