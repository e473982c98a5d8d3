import type { Command } from 'commander'
import { NotFoundError } from 'spawnpoint'
import { readPassword } from '../../password.ts'
import { verb } from '../../verb.ts'

export function addAdd(parent: Command): void {
  verb(
    parent,
    'add <url>',
    'store a registry with its user and password, or change one that is stored',
    async (cli, options, url: string) => {
      const { username, name = url.replace(/^https?:\/\//, '').replace(/[^A-Za-z0-9._-]+/g, '-') } = options
      const password = username && (await readPassword(cli, options.passwordStdin ?? false))
      const { registries } = cli.client
      const there = await registries.get(name).catch((error: unknown) => {
        if (error instanceof NotFoundError) return null
        throw error
      })
      const registry =
        there === null
          ? await registries.create({ name, url, username, password })
          : await registries.update(name, { url, username: username ?? null, password: password ?? null })
      await cli.print(registry, () => `${registry.name}\n`)
    },
    (command) =>
      command
        .option('-n, --name <name>', 'name to know it by; default made of the address')
        .option('-u, --username <name>', 'user; asks for the password')
        .option('--password-stdin', 'read the password from stdin'),
  )
}
