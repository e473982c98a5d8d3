import type { Command } from 'commander'
import { formatAge } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addList(parent: Command): void {
  verb(
    parent,
    'list',
    'list stored registries, newest first',
    async (cli) => {
      const registries = await cli.client.registries.list().toArray()
      await cli.table(
        registries,
        [
          { title: 'NAME', value: ({ name }) => name },
          { title: 'URL', value: ({ url }) => url },
          { title: 'USER', value: ({ username }) => username ?? '-' },
          { title: 'CHANGED', value: ({ updatedAt }) => formatAge(updatedAt) },
        ],
        'No registries. Store one with: spawnpoint registry add URL -u USER',
      )
    },
    (command) => command.alias('ls'),
  )
}
