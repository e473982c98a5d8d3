import type { Command } from 'commander'
import type { ImageState } from 'spawnpoint'
import { collect, declareLabels, pairs } from '../../options.ts'
import { colorOfState } from '../../output/colors.ts'
import { formatAge, formatBytes } from '../../output/units.ts'
import { verb } from '../../verb.ts'

/** Without the failed ones, which `--all` shows: their names are mostly those of later builds that did not fail. */
const SHOWN: ImageState[] = ['building', 'ready', 'deleting']

export function addList(parent: Command): void {
  verb(
    parent,
    'list',
    'list images, newest first',
    async (cli, options) => {
      const images = await cli.client.images
        .list({
          name: options.name,
          states: options.state ?? (options.all ? undefined : SHOWN),
          labels: pairs(options.label, 'label'),
        })
        .toArray()
      if (options.quiet) return cli.ids(images)
      await cli.table(
        images,
        [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'STATE', value: ({ state }) => state, color: ({ state }) => colorOfState(state) },
          { title: 'SIZE', value: ({ sizeBytes }) => formatBytes(sizeBytes), align: 'right' },
          { title: 'CREATED', value: ({ createdAt }) => formatAge(createdAt) },
          { title: 'TAGS', value: ({ tags }) => tags.join(' ') },
        ],
        'No images. Build one with: spawnpoint image build NAME',
      )
    },
    (command) =>
      declareLabels(command)
        .alias('ls')
        .option('-a, --all', 'failed builds too')
        .option('-q, --quiet', 'ids only')
        .option('--name <name>', 'only of this name')
        .option('--state <state>', 'building, ready, failed or deleting', collect),
  )
}
