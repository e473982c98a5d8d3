import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { verb } from '../../verb.ts'

export function addRm(parent: Command): void {
  verb(
    parent,
    'rm <registry...>',
    'forget registries; images that came from them stay',
    (cli, _options, refs: string[]) => eachOf(cli, refs, (ref) => cli.client.registries.delete(ref)),
    (command) => command.alias('delete'),
  )
}
