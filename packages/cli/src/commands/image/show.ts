import type { Command } from 'commander'
import type { Image, ImageSource } from 'spawnpoint'
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
      ['source', sourceText(source)],
      ['tags', image.tags.length > 0 ? image.tags.join(' ') : null],
      ['size', formatBytes(image.sizeBytes)],
      ['user', defaults.user],
      ['workdir', defaults.workdir],
      ['start', startOf(defaults)],
      ['begins', image.startsFromMemory ? 'with its start command running' : null],
      ['ports', defaults.exposedPorts?.join(' ') || null],
      ['env', pairsText(defaults.env)],
      ['labels', pairsText(image.labels)],
      ['created', `${image.createdAt.toISOString()} (${formatAge(image.createdAt)})`],
    ])
  })
}

function startOf({ startCommand, idle }: Image['defaults']): string | null {
  if (startCommand.length === 0) return null
  return `${startCommand.join(' ')}${idle === true ? '  (recorded; its sandboxes boot without it)' : ''}`
}

function sourceText(source: ImageSource): string {
  switch (source.type) {
    case 'debian':
      return ['Debian', source.suite, ...source.packages].join(' ')
    case 'tar':
      return `tar ${source.path}`
    case 'oci':
      return source.digest === undefined ? source.reference : `${source.reference}, ${source.digest}`
    case 'layers':
      return `${source.layers.length} layers that were uploaded, ${source.config}`
    case 'dockerfile':
      return `Dockerfile ${source.path ?? ''}`.trim()
    case 'recipe':
      return `recipe of ${source.steps.length} steps from ${source.from}`
  }
}

export function pairsText(pairs: Record<string, string>): string | null {
  const entries = Object.entries(pairs)
  return entries.length === 0 ? null : entries.map(([key, value]) => `${key}=${value}`).join(' ')
}
