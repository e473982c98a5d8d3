import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { verb } from '../../verb.ts'

export function addRm(parent: Command): void {
  verb(
    parent,
    'rm <image...>',
    'delete images; sandboxes and snapshots made from them live on',
    (cli, { ifUnused }, refs: string[]) => eachOf(cli, refs, (ref) => cli.client.images.delete(ref, { ifUnused })),
    (command) => command.alias('delete').option('--if-unused', 'not while sandboxes started from it live'),
  )
}
