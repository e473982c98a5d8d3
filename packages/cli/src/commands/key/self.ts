import type { Command } from 'commander'
import { printable } from '../../output/printable.ts'
import { formatAge } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addSelf(parent: Command): void {
  verb(parent, 'self', 'the key that is used here, its team, and what it may do', async (cli) => {
    const { keys } = cli.client
    const [key, team] = await Promise.all([keys.self(), keys.team()])
    await cli.fields({ ...key, team: { id: team.id, name: team.name } }, [
      ['id', key.id],
      ['name', printable(key.name)],
      ['key', `${key.hint}…`],
      ['scopes', key.scopes.join(' ')],
      ['member', key.member === null ? null : printable(key.member)],
      ['team', team.name],
      ['server', cli.client.url],
      ['created', `${key.createdAt.toISOString()} (${formatAge(key.createdAt)})`],
    ])
  })
}
