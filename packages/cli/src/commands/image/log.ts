import type { Command } from 'commander'
import { printable } from '../../output/printable.ts'
import { verb } from '../../verb.ts'

export function addLog(parent: Command): void {
  verb(parent, 'log <image>', 'what the build of an image did and printed', async (cli, _options, ref: string) => {
    for await (const entry of cli.client.images.log(ref)) {
      if (cli.json) await cli.write(`${JSON.stringify(entry)}\n`)
      else await cli.write(`${entry.step === null ? '' : `[${entry.step}] `}${printable(entry.message)}\n`)
    }
  })
}
