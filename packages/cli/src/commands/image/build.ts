import type { Command } from 'commander'
import type { BuildImage, ImageSource } from 'spawnpoint'
import { UsageError } from '../../exit.ts'
import { collect, pairs } from '../../options.ts'
import { type Options, verb } from '../../verb.ts'
import { declareDefaults, defaultsFrom } from './defaults.ts'
import { BuildProgress } from './progress.ts'

export function addBuild(parent: Command): void {
  verb(
    parent,
    'build <name>',
    "build an image from Debian packages or a tar file, or one of Spawnpoint's own: base, code-interpreter-v1",
    async (cli, options, name: string) => {
      const progress = new BuildProgress(cli, options.verbose ?? false)
      const { source, defaults } = await described(name, options)
      const image = await cli.client.images.build(
        {
          name,
          source,
          defaults: { ...defaults, ...defaultsFrom(options) },
          labels: pairs(options.label, 'label'),
        },
        { onProgress: progress.tell },
      )
      await progress.done(`Built ${image.name}`, image)
    },
    (command) =>
      declareDefaults(command)
        .option('--suite <suite>', 'Debian suite; default bookworm')
        .option('-p, --package <name>', 'package to install; may be given several times', collect)
        .option('--tar <name>', "root filesystem instead: a tar file in imports/ of the server's data directory"),
  )
}

/** What the name alone says, where there is a known image of that name and no other description. */
async function described(name: string, options: Options): Promise<Pick<BuildImage, 'source' | 'defaults'>> {
  const { suite, package: packages, tar } = options
  if (suite === undefined && packages === undefined && tar === undefined) {
    // Imported here: few who use the command line build these.
    const { KNOWN_IMAGES } = await import('@spawnpoint/images-debian')
    const known = KNOWN_IMAGES.find((image) => image.name === name)
    if (known !== undefined) return { source: known.source, defaults: known.defaults }
  }
  return { source: sourceFrom(options) }
}

function sourceFrom({ suite, package: packages, tar }: Options): ImageSource {
  if (tar === undefined) return { type: 'debian', suite: suite ?? 'bookworm', packages: packages ?? [] }
  if (suite !== undefined || packages !== undefined) {
    throw new UsageError('--tar brings the whole root filesystem; leave out --suite and --package')
  }
  return { type: 'tar', path: tar }
}
