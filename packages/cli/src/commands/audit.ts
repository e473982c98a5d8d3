import type { Command } from 'commander'
import { momentFrom } from '../moment.ts'
import { integer } from '../options.ts'
import { printable } from '../output/printable.ts'
import { verb } from '../verb.ts'

const USUAL = 100

export function addAudit(parent: Command): void {
  verb(
    parent,
    'audit',
    'who has asked for what',
    async (cli, options) => {
      const { member, key: keyId, what, target } = options
      const [from, to] = [options.from, options.to].map((text) => (text === undefined ? undefined : momentFrom(text)))
      const most = options.limit === undefined ? USUAL : integer(options.limit)
      const entries = []
      for await (const entry of cli.client.audit.list({ from, to, member, keyId, what, target })) {
        if (entries.length === most) break
        entries.push(entry)
      }
      await cli.table(
        entries,
        [
          { title: 'WHEN', value: ({ at }) => at.toISOString() },
          { title: 'WHO', value: (entry) => printable(entry.member ?? entry.keyName ?? '-') },
          { title: 'DOOR', value: ({ door }) => door },
          { title: 'WHAT', value: ({ what }) => what },
          {
            title: 'OUTCOME',
            value: ({ outcome }) => outcome,
            color: ({ outcome }) => (outcome === 'done' || outcome === 'accepted' ? 'green' : 'red'),
          },
          // Last, where a narrow terminal cuts: some are long.
          { title: 'TARGET', value: ({ target }) => printable(target ?? '-') },
        ],
        'Nothing was asked for.',
      )
    },
    (command) =>
      command
        .option('--member <member>', 'only what this member asked for')
        .option('--key <id>', 'only what was asked for with this key')
        .option('--what <call>', 'only this call, such as sandboxes.kill, or all of a subject: sandboxes.')
        .option('--target <target>', 'only what was about this')
        .option('--from <time>', 'a date, a time, or how long ago such as 7d')
        .option('--to <time>', 'the same, itself excluded')
        .option('--limit <number>', `how many at most; else ${USUAL}`),
  )
}
