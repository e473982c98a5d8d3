import type { Command } from 'commander'
import type { BuildImage } from 'spawnpoint'
import { collect, declareLabels, envPairs, present } from '../../options.ts'
import type { Options } from '../../verb.ts'

/** Options of everything that makes an image. */
export function declareDefaults(command: Command): Command {
  return declareLabels(command)
    .option('-e, --env <name[=value]>', 'variable of every sandbox made from it', collect)
    .option('--user <user>', 'user that programs run as')
    .option('--workdir <path>', 'directory that programs start in')
    .option('--start <command>', 'shell command started when a sandbox boots')
    .option('-v, --verbose', 'print what the build prints')
}

export function defaultsFrom(options: Options): BuildImage['defaults'] {
  return present({
    env: envPairs(options.env),
    user: options.user,
    workdir: options.workdir,
    startCommand: options.start === undefined ? undefined : ['/bin/sh', '-c', options.start],
  })
}
