import type { Command } from 'commander'
import { formatAge } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addPs(parent: Command): void {
  verb(parent, 'ps <sandbox>', 'programs started through the agent', async (cli, _options, ref: string) => {
    const sandbox = await cli.client.sandboxes.get(ref)
    const processes = await sandbox.processes.list()
    await cli.table(
      processes,
      [
        { title: 'ID', value: ({ id }) => id },
        { title: 'PID', value: ({ pid }) => String(pid), align: 'right' },
        { title: 'USER', value: ({ user }) => user },
        {
          title: 'STATE',
          value: ({ exit }) => (exit === null ? 'running' : `exited ${exit.signal ?? exit.code}`),
          color: ({ exit }) => (exit === null ? 'green' : 'dim'),
        },
        { title: 'STARTED', value: ({ startedAt }) => formatAge(startedAt) },
        { title: 'COMMAND', value: ({ args }) => args.join(' ') },
      ],
      'No programs.',
    )
  })
}
