import type { Command } from 'commander'
import { UsageError } from '../../exit.ts'
import { verb } from '../../verb.ts'

export function addRollback(parent: Command): void {
  verb(
    parent,
    'rollback <sandbox> [snapshot]',
    'back to one of its own snapshots, or to what it was started from; the id stays',
    async (cli, options, ref: string, snapshot: string | undefined) => {
      if ((snapshot === undefined) === (options.origin === undefined))
        throw new UsageError('give a snapshot or --origin; see what there is with: spawnpoint snapshot list')
      const sandbox = await cli.client.sandboxes.get(ref)
      await sandbox.rollback(snapshot ?? { origin: true })
      await cli.print(sandbox.info, () => `${sandbox.id}\n`)
    },
    (command) => command.option('--origin', 'to the snapshot it was started from, or to its image, booted anew'),
  )
}
