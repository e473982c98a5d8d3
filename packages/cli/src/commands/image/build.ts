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
      const [last, ...before] = (await described(name, options)).reverse()
      if (last === undefined) throw new Error(`nothing to build for ${name}`)
      for (const request of before.reverse()) await cli.client.images.build(request, { onProgress: progress.tell })
      const image = await cli.client.images.build(
        {
          ...last,
          defaults: { ...last.defaults, ...defaultsFrom(options) },
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

/** What to build in turn: a known image says it by its name alone, where the command line does not describe another. */
async function described(name: string, options: Options): Promise<BuildImage[]> {
  const { suite, package: packages, tar } = options
  if (suite === undefined && packages === undefined && tar === undefined) {
    // Imported here: few who use the command line build these.
    const { isKnownImage, KNOWN_IMAGES } = await import('@spawnpoint/server/known-images')
    if (isKnownImage(name)) return [...KNOWN_IMAGES[name]]
  }
  return [{ name, source: sourceFrom(options) }]
}

function sourceFrom({ suite, package: packages, tar }: Options): ImageSource {
  if (tar === undefined) return { type: 'debian', suite: suite ?? 'bookworm', packages: packages ?? [] }
  if (suite !== undefined || packages !== undefined) {
    throw new UsageError('--tar brings the whole root filesystem; leave out --suite and --package')
  }
  return { type: 'tar', path: tar }
}
