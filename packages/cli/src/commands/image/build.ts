import type { Command } from 'commander'
import type { ImageSource } from 'spawnpoint'
import { UsageError } from '../../exit.ts'
import { collect, declareLabels, envPairs, pairs, present } from '../../options.ts'
import { printable } from '../../output/printable.ts'
import { formatBytes, formatDuration } from '../../output/units.ts'
import { type Options, verb } from '../../verb.ts'

export function addBuild(parent: Command): void {
  verb(
    parent,
    'build <name>',
    'build an image from Debian packages or a tar file',
    async (cli, options, name: string) => {
      const startedAt = performance.now()
      let step = ''
      const image = await cli.client.images.build(
        {
          name,
          source: sourceFrom(options),
          defaults: present({
            env: envPairs(options.env),
            user: options.user,
            workdir: options.workdir,
            startCommand: options.start === undefined ? undefined : ['/bin/sh', '-c', options.start],
          }),
          labels: pairs(options.label, 'label'),
        },
        {
          onProgress: ({ operation, progress }) => {
            const now = progress?.step ?? operation.phase
            if (now !== step) void cli.note(printable(`[${formatDuration(performance.now() - startedAt)}] ${now}`))
            step = now
            if (options.verbose && progress?.line) void cli.note(`  ${printable(progress.line)}`)
          },
        },
      )
      const took = formatDuration(performance.now() - startedAt)
      await cli.note(`Built ${image.name} in ${took}, ${formatBytes(image.sizeBytes)}`)
      await cli.print(image, () => `${image.id}\n`)
    },
    (command) =>
      declareLabels(command)
        .option('--suite <suite>', 'Debian suite; default bookworm')
        .option('-p, --package <name>', 'package to install; may be given several times', collect)
        .option('--tar <name>', "root filesystem instead: a tar file in imports/ of the server's data directory")
        .option('-e, --env <name[=value]>', 'variable of every sandbox made from it', collect)
        .option('--user <user>', 'user that programs run as')
        .option('--workdir <path>', 'directory that programs start in')
        .option('--start <command>', 'shell command started when a sandbox boots')
        .option('-v, --verbose', 'print what the build prints'),
  )
}

function sourceFrom({ suite, package: packages, tar }: Options): ImageSource {
  if (tar === undefined) return { type: 'debian', suite: suite ?? 'bookworm', packages: packages ?? [] }
  if (suite !== undefined || packages !== undefined) {
    throw new UsageError('--tar brings the whole root filesystem; leave out --suite and --package')
  }
  return { type: 'tar', path: tar }
}
