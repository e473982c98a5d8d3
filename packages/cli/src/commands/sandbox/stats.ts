import type { Command } from 'commander'
import { formatBytes, parseDuration } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addStats(parent: Command): void {
  verb(
    parent,
    'stats <sandbox>',
    'what it used in the last hour',
    async (cli, options, ref: string) => {
      const sandbox = await cli.client.sandboxes.get(ref)
      const from = options.since === undefined ? undefined : new Date(Date.now() - parseDuration(options.since))
      const samples = await sandbox.metricsHistory({ from })
      await cli.table(
        samples,
        [
          { title: 'TIME', value: ({ at }) => at.toISOString() },
          { title: 'CPU', value: ({ cpuUsedPercent }) => `${cpuUsedPercent.toFixed(1)} %`, align: 'right' },
          { title: 'MEMORY', value: ({ memoryUsedBytes }) => formatBytes(memoryUsedBytes), align: 'right' },
          { title: 'CACHE', value: ({ memoryCacheBytes }) => formatBytes(memoryCacheBytes), align: 'right' },
          { title: 'DISK', value: ({ diskUsedBytes }) => formatBytes(diskUsedBytes), align: 'right' },
        ],
        'no samples: it has not run lately, or the server has just started',
      )
    },
    (command) => command.option('--since <duration>', 'only the last so long, such as 10m'),
  )
}
