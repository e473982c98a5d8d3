import type { Command } from 'commander'
import { UsageError } from '../../exit.ts'
import { collect, declareOverrides, mountsFrom, overridesFrom } from '../../options.ts'
import { declareRemotes, remotesFrom } from '../../remotes.ts'
import { verb } from '../../verb.ts'
import { declareNewSchedule, newScheduleFrom } from '../schedule/options.ts'

export function addCreate(parent: Command): void {
  verb(
    parent,
    'create [image]',
    'make a sandbox from an image, or from a snapshot with --snapshot',
    async (cli, options, image: string | undefined) => {
      if ((image === undefined) === (options.snapshot === undefined)) {
        throw new UsageError('give an image or --snapshot; see what there is with: spawnpoint image list')
      }
      const sandbox = await cli.client.sandboxes.create({
        image,
        snapshot: options.snapshot,
        cold: options.cold,
        volumes: mountsFrom(options.volume),
        remotes: remotesFrom(options),
        schedule: newScheduleFrom(options),
        ...overridesFrom(options),
      })
      await cli.print(sandbox.info, () => `${sandbox.id}\n`)
    },
    (command) =>
      declareRemotes(declareNewSchedule(declareOverrides(command)))
        .option('--snapshot <snapshot>', 'go on from this snapshot')
        .option('-v, --volume <volume:path[:ro]>', 'mount a volume; may be given several times', collect)
        .option('--cold', 'boot a memory snapshot from its filesystem alone'),
  )
}
