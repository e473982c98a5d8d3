import type { Command } from 'commander'
import { present } from '../../options.ts'
import { formatDuration, parseDuration } from '../../output/units.ts'
import { verb } from '../../verb.ts'
import { limitFields } from './limits.ts'

export function addSettings(parent: Command): void {
  verb(
    parent,
    'settings',
    'show what your own team has and how long it keeps snapshots, or change that',
    async (cli, options) => {
      const { retention, trash } = options
      const changes = present({
        snapshotRetentionMs:
          retention === undefined ? undefined : retention === 'none' ? null : parseDuration(retention),
        trashMs: trash === undefined ? undefined : trash === 'none' ? 0 : parseDuration(trash),
      })
      const { keys } = cli.client
      const team = await (changes === undefined ? keys.team() : keys.updateTeam(changes))
      const { snapshotRetentionMs: kept, trashMs } = team
      await cli.fields(team, [
        ...limitFields(team),
        ['snapshots expire', kept === null ? 'never, unless told' : `after ${formatDuration(kept)}, unless told`],
        ['trash', trashMs === 0 ? 'none' : formatDuration(trashMs)],
      ])
    },
    (command) =>
      command
        .option('--retention <duration|none>', 'when snapshots of which nothing else is said expire, such as 30d')
        .option('--trash <duration|none>', 'how long deleted snapshots can be brought back, such as 24h'),
  )
}
