import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { parseDurationOrNever } from '../../output/units.ts'
import { type Options, verb } from '../../verb.ts'

const RESTS = {
  pause: 'keep memory on disk and run nothing',
  stop: 'end all processes and keep the filesystem',
} as const

const RETURNS = {
  resume: 'go on where it was paused',
  start: 'boot it again after stop',
} as const

/** The four verbs that move a sandbox between running and not. */
export function addLife(parent: Command): void {
  for (const [name, summary] of Object.entries(RESTS)) {
    const move = name as keyof typeof RESTS
    verb(parent, `${name} <sandbox...>`, summary, (cli, _options, refs: string[]) =>
      eachOf(cli, refs, async (ref) => (await cli.client.sandboxes.get(ref))[move]()),
    )
  }
  for (const [name, summary] of Object.entries(RETURNS)) {
    const move = name as keyof typeof RETURNS
    verb(
      parent,
      `${name} <sandbox...>`,
      summary,
      (cli, { timeout }: Options, refs: string[]) => {
        const changes = timeout === undefined ? {} : { timeoutMs: parseDurationOrNever(timeout) }
        return eachOf(cli, refs, async (ref) => (await cli.client.sandboxes.get(ref))[move](changes))
      },
      (command) => command.option('--timeout <duration|never>', 'its time is over so long from then'),
    )
  }
}
