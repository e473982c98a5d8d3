import type { Command } from 'commander'
import type { Snapshot } from 'spawnpoint'
import type { Cli } from '../../cli.ts'
import { parseDuration } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addVerify(parent: Command): void {
  verb(
    parent,
    'check <snapshot>',
    'read a snapshot back, and say what is wrong with it',
    async (cli, _options, ref) => {
      const snapshot = await cli.client.snapshots.get(ref)
      return outcome(cli, await snapshot.check(), 'It is as it was written.')
    },
  )
  verb(
    parent,
    'drill <snapshot> [probe...]',
    'try whether a sandbox starts from a snapshot and the probe ends with 0 in it; put it after --',
    async (cli, options, ref, probe: string[]) => {
      const snapshot = await cli.client.snapshots.get(ref)
      const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout)
      const drilled = await snapshot.drill({ ...(probe.length > 0 && { probe }), timeoutMs })
      return outcome(cli, drilled, 'A sandbox started from it, and the probe succeeded.')
    },
    (command) => command.option('--timeout <duration>', 'that the probe may take; else 60s'),
  )
}

async function outcome(cli: Cli, { info }: Snapshot, well: string): Promise<number> {
  const { checkFailure } = info
  await cli.print(info, () => `${checkFailure ?? well}\n`)
  return checkFailure === null ? 0 : 1
}
