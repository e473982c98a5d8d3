import type { Command } from 'commander'
import { UsageError } from '../../exit.ts'
import { verb } from '../../verb.ts'

export function addTag(parent: Command): void {
  verb(
    parent,
    'tag <image> <name:tag...>',
    'point tags to an image, or remove them',
    async (cli, options, ref: string, targets: string[]) => {
      for (const target of targets) {
        const [, name, tag] = /^([^:]+):([^:]+)$/.exec(target) ?? []
        if (name === undefined || tag === undefined) throw new UsageError(`'${target}' must have the form NAME:TAG`)
        if (options.delete) await cli.client.names.untag(name, tag)
        else await cli.client.names.tag(name, tag, { image: ref })
      }
    },
    (command) => command.option('-d, --delete', 'remove the tags; what they pointed to stays'),
  )
}
