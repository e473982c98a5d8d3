import type { Command } from 'commander'
import { verb } from '../../verb.ts'

export function addCreate(parent: Command): void {
  verb(parent, 'create <name>', 'make an API key', async (cli, _options, name: string) => {
    const created = await cli.client.keys.create({ name })
    await cli.note(`Key ${created.key.id}. Its secret is shown this once:`)
    await cli.print(created, () => `${created.secret}\n`)
  })
}
