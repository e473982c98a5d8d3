import type { Command } from 'commander'
import { declareLabels, pairs } from '../../options.ts'
import { formatBytes } from '../../output/units.ts'
import { readPassword } from '../../password.ts'
import { verb } from '../../verb.ts'
import { BuildProgress } from '../image/progress.ts'

export function addPull(parent: Command): void {
  verb(
    parent,
    'pull <reference>',
    'take in a snapshot that another server has pushed, with its memory',
    async (cli, options, reference: string) => {
      const { username, registry, name } = options
      const credentials = username && { username, password: await readPassword(cli, options.passwordStdin ?? false) }
      const progress = new BuildProgress(cli, false)
      const snapshot = await cli.client.snapshots.pull(
        { reference, registry, credentials, name, labels: pairs(options.label, 'label') },
        { onProgress: progress.tell },
      )
      await progress.end(`Pulled ${snapshot.name ?? snapshot.id}, ${formatBytes(snapshot.info.sizeBytes)},`)
      await cli.print(snapshot.info, () => `${snapshot.id}\n`)
    },
    (command) =>
      declareLabels(command)
        .option('-n, --name <name>', 'name instead of the one it had')
        .option('--registry <name>', 'stored registry; default the one at the same address')
        .option('-u, --username <name>', 'user of the registry; asks for the password')
        .option('--password-stdin', 'read the password from stdin'),
  )
}
