import type { Command } from 'commander'
import { eachOf } from '../../each.ts'
import { formatAge, formatBytes, parseSize } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addVolume(root: Command): void {
  const noun = root.command('volume').description('files that outlive the sandboxes which mount them')
  verb(
    noun,
    'create <name>',
    'make an empty volume',
    async (cli, { size }, name: string) => {
      const sizeBytes = size === undefined ? undefined : parseSize(size)
      const volume = await cli.client.volumes.create({ name, sizeBytes })
      await cli.print(volume, () => `${volume.id}\n`)
    },
    (command) => command.option('--size <size>', 'the most that it holds, such as 50G; default 10G'),
  )
  verb(
    noun,
    'list',
    'list volumes, newest first',
    async (cli, options) => {
      const volumes = await cli.client.volumes.list({ nameContains: options.name }).toArray()
      await cli.table(
        volumes,
        [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'SIZE', value: ({ sizeBytes }) => formatBytes(sizeBytes) },
          { title: 'CREATED', value: ({ createdAt }) => formatAge(createdAt) },
        ],
        'No volumes. Make one with: spawnpoint volume create NAME',
      )
    },
    (command) => command.alias('ls').option('--name <text>', 'only whose name contains this'),
  )
  verb(noun, 'show <volume>', 'one volume and what is in use of it', async (cli, _options, ref: string) => {
    const { volumes } = cli.client
    const volume = await volumes.get(ref)
    const { usedBytes } = await volumes.usage(volume.id)
    await cli.fields({ ...volume, usedBytes }, [
      ['id', volume.id],
      ['name', volume.name],
      ['used', `${formatBytes(usedBytes)} of ${formatBytes(volume.sizeBytes)}`],
      ['created', `${volume.createdAt.toISOString()} (${formatAge(volume.createdAt)})`],
    ])
  })
  verb(
    noun,
    'resize <volume> <size>',
    'let a volume hold more, or less down to what is in it; sandboxes that mount it notice nothing',
    async (cli, _options, ref: string, size: string) => {
      const volume = await cli.client.volumes.resize(ref, { sizeBytes: parseSize(size) })
      await cli.print(volume, () => `${volume.id}\n`)
    },
  )
  verb(
    noun,
    'rm <volume...>',
    'delete volumes with all that is in them',
    (cli, _options, refs: string[]) => eachOf(cli, refs, (ref) => cli.client.volumes.delete(ref)),
    (command) => command.alias('delete'),
  )
}
