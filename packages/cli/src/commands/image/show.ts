import type { Command } from 'commander'
import { formatAge, formatBytes } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addShow(parent: Command): void {
  verb(parent, 'show <image>', 'one image', async (cli, _options, ref: string) => {
    const image = await cli.client.images.get(ref)
    const { source, defaults } = image
    await cli.fields(image, [
      ['id', image.id],
      ['name', image.name],
      ['state', image.state],
      ['failure', image.failure],
      ['source', source.type === 'tar' ? `tar ${source.path}` : `Debian ${source.suite} ${source.packages.join(' ')}`],
      ['size', formatBytes(image.sizeBytes)],
      ['user', defaults.user],
      ['workdir', defaults.workdir],
      ['start', defaults.startCommand.length > 0 ? defaults.startCommand.join(' ') : null],
      ['env', pairsText(defaults.env)],
      ['labels', pairsText(image.labels)],
      ['created', `${image.createdAt.toISOString()} (${formatAge(image.createdAt)})`],
    ])
  })
}

export function pairsText(pairs: Record<string, string>): string | null {
  const entries = Object.entries(pairs)
  return entries.length === 0 ? null : entries.map(([key, value]) => `${key}=${value}`).join(' ')
}
