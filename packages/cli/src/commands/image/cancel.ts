import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { verb } from '../../verb.ts'

export function addCancel(parent: Command): void {
  verb(
    parent,
    'cancel <image...>',
    'end builds of images, by their ids; nothing of them is left',
    (cli, _options, ids: string[]) => eachOf(cli, ids, async (id) => void (await cli.client.images.cancel(id))),
  )
}
