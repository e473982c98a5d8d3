import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { verb } from '../../verb.ts'

export function addRm(parent: Command): void {
  verb(
    parent,
    'rm <snapshot...>',
    'delete snapshots; sandboxes started from them live on',
    (cli, options, refs: string[]) =>
      eachOf(cli, refs, (ref) => cli.client.snapshots.delete(ref, { ifUnused: options.ifUnused })),
    (command) => command.alias('delete').option('--if-unused', 'not while sandboxes started from it live'),
  )
}
