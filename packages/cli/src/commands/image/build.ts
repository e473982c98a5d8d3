import type { Command } from 'commander'
import type { ImageSource } from 'spawnpoint'
import { UsageError } from '../../exit.ts'
import { collect, pairs } from '../../options.ts'
import { type Options, verb } from '../../verb.ts'
import { declareDefaults, defaultsFrom } from './defaults.ts'
import { BuildProgress } from './progress.ts'

export function addBuild(parent: Command): void {
  verb(
    parent,
    'build <name>',
    'build an image from Debian packages or a tar file',
    async (cli, options, name: string) => {
      const progress = new BuildProgress(cli, options.verbose ?? false)
      const image = await cli.client.images.build(
        {
          name,
          source: sourceFrom(options),
          defaults: defaultsFrom(options),
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

function sourceFrom({ suite, package: packages, tar }: Options): ImageSource {
  if (tar === undefined) return { type: 'debian', suite: suite ?? 'bookworm', packages: packages ?? [] }
  if (suite !== undefined || packages !== undefined) {
    throw new UsageError('--tar brings the whole root filesystem; leave out --suite and --package')
  }
  return { type: 'tar', path: tar }
}
