import type { Command } from 'commander'
import { UsageError } from '../exit.ts'
import { integer } from '../options.ts'
import { printable } from '../output/printable.ts'
import { verb } from '../verb.ts'

export function addEvents(parent: Command): void {
  verb(
    parent,
    'events',
    'what happened',
    async (cli, options) => {
      const { sandbox, follow } = options
      const now = options.after === 'now'
      if (now && !follow) throw new UsageError('--after now is for --follow')
      const after = options.after === undefined || now ? undefined : integer(options.after)
      const events = follow
        ? cli.client.events.follow({ sandbox, after: now ? 'now' : after })
        : cli.client.events.list({ sandbox, after })
      for await (const event of events) {
        if (cli.json) await cli.write(`${JSON.stringify(event)}\n`)
        else {
          const what = [event.sandboxId, event.snapshotId, event.imageId].filter((id) => id !== null).join(' ')
          const data = Object.keys(event.data).length === 0 ? '' : JSON.stringify(event.data)
          await cli.write(
            `${cli.paint('dim', event.at.toISOString())}  ${String(event.seq).padStart(6)}  ${event.type.padEnd(22)} ${printable(`${what}  ${data}`).trimEnd()}\n`,
          )
        }
      }
    },
    (command) =>
      command
        .option('-f, --follow', 'go on with what comes')
        .option('--sandbox <sandbox>', 'only of this sandbox')
        .option('--after <seq>', 'only events with a greater number; now: only what comes'),
  )
}
