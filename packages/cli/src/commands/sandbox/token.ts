import type { Command } from 'commander'
import { verb } from '../../verb.ts'

export function addToken(parent: Command): void {
  verb(
    parent,
    'token <sandbox>',
    'what to show to its ports whose ingress is token',
    async (cli, _options, ref: string) => {
      const shown = await (await cli.client.sandboxes.get(ref)).ingressToken()
      await cli.print(shown, () => `${shown.header}: ${shown.token}\n`)
    },
  )
}
