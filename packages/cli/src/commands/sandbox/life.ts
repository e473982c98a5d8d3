import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { verb } from '../../verb.ts'

const VERBS = {
  pause: 'keep memory on disk and run nothing',
  resume: 'go on where it was paused',
  stop: 'end all processes and keep the filesystem',
  start: 'boot it again after stop',
} as const

/** The four verbs that move a sandbox between running and not. */
export function addLife(parent: Command): void {
  for (const [name, summary] of Object.entries(VERBS)) {
    const move = name as keyof typeof VERBS
    verb(parent, `${name} <sandbox...>`, summary, (cli, _options, refs: string[]) =>
      eachOf(cli, refs, async (ref) => (await cli.client.sandboxes.get(ref))[move]()),
    )
  }
}
