import type { Command } from 'commander'
import { formatAge } from '../../output/units.ts'
import { verb } from '../../verb.ts'
import { addLimits, declareLimits, limitsFrom } from './limits.ts'
import { addSettings } from './settings.ts'

export function addTeam(root: Command): void {
  const noun = root.command('team').description('your own team, and all of the server for who has its admin key')
  addCreate(noun)
  addList(noun)
  addLimits(noun)
  addSettings(noun)
}

function addCreate(parent: Command): void {
  verb(
    parent,
    'create <name>',
    'make a team with its first key',
    async (cli, options, name: string) => {
      const created = await cli.client.teams.create({ name, limits: limitsFrom(options) })
      await cli.note(`Team ${created.team.id}. The secret of its first key is shown this once:`)
      await cli.print(created, () => `${created.secret}\n`)
    },
    declareLimits,
  )
}

function addList(parent: Command): void {
  verb(
    parent,
    'list',
    'list teams',
    async (cli) => {
      const teams = await cli.client.teams.list().toArray()
      const part = (used: number, most: number | null) => (most === null ? String(used) : `${used}/${most}`)
      await cli.table(
        teams,
        [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'SANDBOXES', value: ({ used, limits }) => part(used.sandboxes, limits.sandboxes) },
          { title: 'CPUS', value: ({ used, limits }) => part(used.cpus, limits.cpus) },
          { title: 'SNAPSHOTS', value: ({ used, limits }) => part(used.snapshots, limits.snapshots) },
          { title: 'CREATED', value: ({ createdAt }) => formatAge(createdAt) },
        ],
        'No teams.',
      )
    },
    (command) => command.alias('ls'),
  )
}
