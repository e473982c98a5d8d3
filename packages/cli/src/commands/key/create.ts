import type { Command } from 'commander'
import type { Scope } from 'spawnpoint'
import { UsageError } from '../../exit.ts'
import { collect } from '../../options.ts'
import { verb } from '../../verb.ts'

const SCOPES: readonly Scope[] = ['read', 'write', 'admin', 'server']

export function addCreate(parent: Command): void {
  verb(
    parent,
    'create <name>',
    'make an API key',
    async (cli, { scope, member }, name: string) => {
      const created = await cli.client.keys.create({ name, member, scopes: scopesFrom(scope) })
      await cli.note(`Key ${created.key.id}. Its secret is shown this once:`)
      await cli.print(created, () => `${created.secret}\n`)
    },
    (command) =>
      command
        .option(
          '--scope <read|write|admin|server>',
          'what it may ask for; may be given several times; else read, write and admin',
          collect,
        )
        .option('--member <member>', 'whose it is: a name or an address'),
  )
}

function scopesFrom(given: string[] | undefined): Scope[] | undefined {
  return given
    ?.flatMap((text) => text.split(','))
    .map((text) => {
      const found = SCOPES.find((scope) => scope === text)
      if (found === undefined) throw new UsageError(`--scope is one of ${SCOPES.join(', ')}, not '${text}'`)
      return found
    })
}
