import type { Command } from 'commander'
import { formatAge } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addList(parent: Command): void {
  verb(
    parent,
    'list',
    'list secrets, newest first, without their values',
    async (cli, options) => {
      const secrets = await cli.client.secrets.list({ nameContains: options.name }).toArray()
      await cli.table(
        secrets,
        [
          { title: 'NAME', value: ({ name }) => name },
          { title: 'HOSTS', value: ({ hosts }) => (hosts.length === 0 ? 'all' : hosts.join(',')) },
          { title: 'VERSION', value: ({ version }) => String(version), align: 'right' },
          { title: 'CHANGED', value: ({ updatedAt }) => formatAge(updatedAt) },
        ],
        'No secrets. Store one with: spawnpoint secret set NAME',
      )
    },
    (command) => command.alias('ls').option('--name <text>', 'only whose name contains this'),
  )
}
