import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { verb } from '../../verb.ts'

export function addRm(parent: Command): void {
  verb(
    parent,
    'rm <schedule...>',
    'delete schedules; their snapshots stay',
    (cli, _options, ids: string[]) => eachOf(cli, ids, (id) => cli.client.schedules.delete(id)),
    (command) => command.alias('delete'),
  )
}
