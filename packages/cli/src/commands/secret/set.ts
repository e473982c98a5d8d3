import type { Command } from 'commander'
import { collect } from '../../options.ts'
import { readPassword } from '../../password.ts'
import { verb } from '../../verb.ts'

export function addSet(parent: Command): void {
  verb(
    parent,
    'set <name>',
    'store a secret, or give it another value; asks for it',
    async (cli, options, name: string) => {
      const value = await readPassword(cli, options.stdin ?? false, { what: 'secret', option: '--stdin' })
      const secret = await cli.client.secrets.set(name, { value, hosts: options.host })
      await cli.print(secret, () => `${secret.name}\n`)
    },
    (command) =>
      command
        .option('--stdin', 'read the value from stdin')
        .option(
          '--host <name>',
          'it may be sent to this host only, or below *.name; may be given several times',
          collect,
        ),
  )
}
