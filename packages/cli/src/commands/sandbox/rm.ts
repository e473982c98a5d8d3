import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { verb } from '../../verb.ts'

export function addRm(parent: Command): void {
  verb(
    parent,
    'rm <sandbox...>',
    'kill sandboxes; their snapshots stay',
    (cli, _options, refs: string[]) => eachOf(cli, refs, async (ref) => (await cli.client.sandboxes.get(ref)).kill()),
    (command) => command.alias('kill'),
  )
}
