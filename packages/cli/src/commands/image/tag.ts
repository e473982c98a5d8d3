import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { UsageError } from '../../exit.ts'
import { verb } from '../../verb.ts'

/** The same of images and of snapshots. */
export function addTag(parent: Command, what: 'image' | 'snapshot' = 'image'): void {
  verb(
    parent,
    `tag <${what}> <name:tag...>`,
    `point tags to ${what === 'image' ? 'an image' : 'a snapshot'}, or remove them`,
    async (cli, options, ref: string, targets: string[]) => {
      const { names } = cli.client
      const target = what === 'image' ? { image: ref } : { snapshot: ref }
      for (const text of targets) tagFrom(text)
      return eachOf(cli, targets, async (text) => {
        const { name, tag } = tagFrom(text)
        if (options.delete) await names.untag(name, tag)
        else await names.tag(name, tag, target)
      })
    },
    (command) => command.option('-d, --delete', 'remove the tags; what they pointed to stays'),
  )
}

/** Throws `UsageError`. */
function tagFrom(text: string): { name: string; tag: string } {
  const [, name, tag] = /^([^:]+):([^:]+)$/.exec(text) ?? []
  if (name === undefined || tag === undefined) throw new UsageError(`'${text}' must have the form NAME:TAG`)
  return { name, tag }
}
