import type { Command } from 'commander'
import { printable } from '../../output/printable.ts'
import { formatAge } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addList(parent: Command): void {
  verb(
    parent,
    'list',
    'list API keys',
    async (cli) => {
      const keys = await cli.client.keys.list().toArray()
      await cli.table(
        keys,
        [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => printable(name) },
          { title: 'KEY', value: ({ hint }) => `${hint}…` },
          { title: 'SCOPES', value: ({ scopes }) => scopes.join(' ') },
          { title: 'MEMBER', value: ({ member }) => printable(member ?? '-') },
          { title: 'CREATED', value: ({ createdAt }) => formatAge(createdAt) },
          { title: 'LAST USED', value: ({ lastUsedAt }) => formatAge(lastUsedAt) },
          {
            title: 'STATE',
            value: ({ revokedAt }) => (revokedAt === null ? 'valid' : `revoked ${formatAge(revokedAt)}`),
            color: ({ revokedAt }) => (revokedAt === null ? 'green' : 'dim'),
          },
        ],
        'No keys.',
      )
    },
    (command) => command.alias('ls'),
  )
}
