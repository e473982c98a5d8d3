import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { verb } from '../../verb.ts'

export function addRm(parent: Command): void {
  verb(
    parent,
    'rm <secret...>',
    'forget secrets; requests that need them are refused from now on',
    (cli, _options, names: string[]) => eachOf(cli, names, (name) => cli.client.secrets.delete(name)),
    (command) => command.alias('delete'),
  )
}
