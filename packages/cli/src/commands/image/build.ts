import type { Command } from 'commander'
import type { BuildImage, ImageSource } from 'spawnpoint'
import type { Cli } from '../../cli.ts'
import { UsageError } from '../../exit.ts'
import { collect, pairs } from '../../options.ts'
import { loadRecipe } from '../../recipe/load.ts'
import { type Options, verb } from '../../verb.ts'
import { declareDefaults, defaultsFrom } from './defaults.ts'
import { BuildProgress } from './progress.ts'

export function addBuild(parent: Command): void {
  verb(
    parent,
    'build <name>',
    "build an image from Debian packages, a tar file or a recipe, or one of Spawnpoint's own: base, code-interpreter-v1",
    async (cli, options, name: string) => {
      const progress = new BuildProgress(cli, options.verbose ?? options.recipe !== undefined)
      const [last, ...before] = (await described(cli, name, options)).reverse()
      if (last === undefined) throw new Error(`nothing to build for ${name}`)
      for (const request of before.reverse()) await cli.client.images.build(request, { onProgress: progress.tell })
      const image = await cli.client.images.build(
        {
          ...last,
          tags: options.tag,
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
        .option('--tar <name>', "root filesystem instead: a tar file in imports/ of the server's data directory")
        .option('-f, --recipe <file>', 'steps to run in a sandbox instead: a JSON file')
        .option('-t, --tag <tag>', 'tag of the name that points to it; default is what the name alone means', collect)
        .addHelpText('after', RECIPE_HELP),
  )
}

/** What to build in turn: a known image says it by its name alone, where the command line does not describe another. */
async function described(cli: Cli, name: string, options: Options): Promise<BuildImage[]> {
  const { suite, package: packages, tar, recipe } = options
  if ([suite, packages, tar, recipe].every((given) => given === undefined)) {
    // Imported here: few who use the command line build these.
    const { isKnownImage, KNOWN_IMAGES } = await import('@spawnpoint/server/known-images')
    if (isKnownImage(name)) return [...KNOWN_IMAGES[name]]
  }
  return [{ name, source: await sourceFrom(cli, options) }]
}

async function sourceFrom(cli: Cli, { suite, package: packages, tar, recipe }: Options): Promise<ImageSource> {
  const fromDebian = suite !== undefined || packages !== undefined
  if (recipe !== undefined) {
    if (fromDebian || tar !== undefined)
      throw new UsageError('--recipe says what it begins with; leave out --suite, --package and --tar')
    return loadRecipe(cli.client, recipe)
  }
  if (tar === undefined) return { type: 'debian', suite: suite ?? 'bookworm', packages: packages ?? [] }
  if (fromDebian) throw new UsageError('--tar brings the whole root filesystem; leave out --suite and --package')
  return { type: 'tar', path: tar }
}

const RECIPE_HELP = `
A recipe:
  { "from": "base",
    "steps": [
      { "type": "workdir", "path": "/srv/app" },
      { "type": "copy", "local": "src", "destination": "." },
      { "type": "env", "env": { "NODE_ENV": "production" } },
      { "type": "run", "command": "npm install", "user": "root" } ],
    "startCommand": "npm start",
    "readyCommand": "curl -sf localhost:3000" }
Steps that an earlier build has run are not run again; "force": true, in a step or the recipe, has them run.`
