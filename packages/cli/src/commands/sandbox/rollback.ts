import type { Command } from 'commander'
import { verb } from '../../verb.ts'

export function addRollback(parent: Command): void {
  verb(
    parent,
    'rollback <sandbox> <snapshot>',
    'back to one of its own snapshots; the id stays',
    async (cli, _options, ref: string, snapshot: string) => {
      const sandbox = await cli.client.sandboxes.get(ref)
      await sandbox.rollback(snapshot)
      await cli.print(sandbox.info, () => `${sandbox.id}\n`)
    },
  )
}
