import type { Command } from 'commander'
import { collect } from '../../options.ts'
import { colorOfState } from '../../output/colors.ts'
import { formatAge, formatBytes } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addList(parent: Command): void {
  verb(
    parent,
    'list',
    'list images, newest first',
    async (cli, options) => {
      const images = await cli.client.images.list({ name: options.name, states: options.state }).toArray()
      await cli.table(
        images,
        [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'STATE', value: ({ state }) => state, color: ({ state }) => colorOfState(state) },
          { title: 'SIZE', value: ({ sizeBytes }) => formatBytes(sizeBytes), align: 'right' },
          { title: 'CREATED', value: ({ createdAt }) => formatAge(createdAt) },
        ],
        'No images. Build one with: spawnpoint image build NAME',
      )
    },
    (command) =>
      command
        .alias('ls')
        .option('--name <name>', 'only of this name')
        .option('--state <state>', 'building, ready, failed or deleting', collect),
  )
}
