import type { Command } from 'commander'
import { formatBytes } from '../../output/units.ts'
import { readPassword } from '../../password.ts'
import { verb } from '../../verb.ts'
import { BuildProgress } from '../image/progress.ts'

export function addPush(parent: Command): void {
  verb(
    parent,
    'push <snapshot> <reference>',
    'put a snapshot with its memory into a registry or a file on the server, for another server to go on from',
    async (cli, options, ref: string, reference: string) => {
      const { username, registry } = options
      const credentials = username && { username, password: await readPassword(cli, options.passwordStdin ?? false) }
      const progress = new BuildProgress(cli, false)
      const snapshot = await cli.client.snapshots.get(ref)
      const pushed = await snapshot.push({ reference, registry, credentials }, { onProgress: progress.tell })
      await progress.end(`Pushed ${pushed.reference}, ${formatBytes(pushed.sizeBytes)},`)
      await cli.print(pushed, () => `${pushed.digest}\n`)
    },
    (command) =>
      command
        .option('--registry <name>', 'stored registry; default the one at the same address')
        .option('-u, --username <name>', 'user of the registry; asks for the password')
        .option('--password-stdin', 'read the password from stdin'),
  )
}
