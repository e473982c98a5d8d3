import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { verb } from '../../verb.ts'

export function addRestore(parent: Command): void {
  verb(
    parent,
    'restore <snapshot...>',
    'bring deleted snapshots back from the trash, by id or by name (the latest that went there)',
    (cli, _options, refs: string[]) => eachOf(cli, refs, (ref) => cli.client.snapshots.undelete(ref)),
    (command) => command.alias('undelete'),
  )
}
