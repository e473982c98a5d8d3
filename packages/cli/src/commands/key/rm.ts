import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { verb } from '../../verb.ts'

export function addRm(parent: Command): void {
  verb(
    parent,
    'rm <id...>',
    'revoke API keys',
    (cli, _options, ids: string[]) => eachOf(cli, ids, (id) => cli.client.keys.revoke(id)),
    (command) => command.alias('revoke'),
  )
}
