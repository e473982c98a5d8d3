import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import type { BuildImage, ImageSource } from 'spawnpoint'
import type { Cli } from '../../cli.ts'
import { isDirectory, loadDockerfile } from '../../dockerfile/load.ts'
import { UsageError } from '../../exit.ts'
import { collect, envPairs, pairs } from '../../options.ts'
import { loadRecipe } from '../../recipe/load.ts'
import { type Options, verb } from '../../verb.ts'
import { buildInSteps } from './build-steps.ts'
import { declareDefaults, defaultsFrom } from './defaults.ts'
import { BuildProgress } from './progress.ts'
import { secretsFrom } from './secrets.ts'

export function addBuild(parent: Command): void {
  verb(
    parent,
    'build <directory|name>',
    "build an image from the Dockerfile of a directory; or by its name, from Debian packages, a tar file or a recipe, or one of Spawnpoint's own: base, code-interpreter-v1, desktop",
    async (cli, options, name: string) => {
      if (isDirectory(name)) return buildDirectory(cli, name, options)
      mustBeNamed(options)
      const progress = new BuildProgress(cli, options.verbose ?? false)
      const [last, ...before] = (await described(cli, name, options)).reverse()
      if (last === undefined) throw new Error(`nothing to build for ${name}`)
      for (const request of before.reverse()) await cli.client.images.build(request, { onProgress: progress.tell })
      const request = {
        ...last,
        tags: options.tag,
        defaults: { ...last.defaults, ...defaultsFrom(options) },
        labels: pairs(options.label, 'label'),
      }
      if (request.source.type === 'recipe') return buildInSteps(cli, request)
      const image = await cli.client.images.build(request, { onProgress: progress.tell })
      await progress.done(`Built ${image.name}`, image)
    },
    (command) =>
      declareDefaults(command)
        .option('--suite <suite>', 'Debian suite; default bookworm')
        .option('-p, --package <name>', 'package to install; may be given several times', collect)
        .option('--tar <name>', "root filesystem instead: a tar file in imports/ of the server's data directory")
        .option('--recipe <file>', 'steps to run in a sandbox instead: a JSON file')
        .option('-f, --file <file>', 'Dockerfile, `-` for stdin; default Dockerfile in the directory; or a recipe')
        .option(
          '-t, --tag <tag>',
          'of a directory NAME[:TAG], else a tag of the name, that points to it; default is what the name alone means',
          collect,
        )
        .option('--build-arg <name[=value]>', 'value of an ARG; stays in the image’s record', collect)
        .option('--secret <id=ID[,src=FILE|env=NAME]>', 'for RUN --mount=type=secret; kept nowhere', collect)
        .option('--target <stage>', 'stage of the Dockerfile to build; default the last')
        .option('--no-cache', 'run every step, whatever earlier builds left')
        .option('--pull', 'ask registries for images that were pulled before, too')
        .addHelpText('after', RECIPE_HELP),
  )
}

async function buildDirectory(cli: Cli, dir: string, options: Options): Promise<void> {
  const { suite, package: packages, tar, recipe, target, pull } = options
  if ([suite, packages, tar, recipe].some((given) => given !== undefined))
    throw new UsageError(`${dir} is a directory, built by its Dockerfile; give a name to build from something else`)
  const { name, tags } = namesFrom(dir, options.tag)
  const source = await loadDockerfile(cli.client, dir, options.file)
  await buildInSteps(cli, {
    name,
    tags,
    source: {
      ...source,
      ...{ buildArgs: envPairs(options.buildArg), target, pull },
      force: options.cache === false ? true : undefined,
    },
    secrets: secretsFrom(options.secret),
    defaults: defaultsFrom(options),
    labels: pairs(options.label, 'label'),
  })
}

/** `-t NAME[:TAG]`, all of one name; else the name of the directory. Throws `UsageError`. */
export function namesFrom(dir: string, given: string[] | undefined): { name: string; tags: string[] | undefined } {
  const parsed = (given ?? []).map((each) => {
    const [, name, tag] = /^([A-Za-z0-9][A-Za-z0-9._-]*)(?::([A-Za-z0-9_][A-Za-z0-9._-]*))?$/.exec(each) ?? []
    if (name === undefined) throw new UsageError(`'${each}' is not NAME or NAME:TAG`)
    return { name, tag: tag ?? 'default' }
  })
  const [first, ...more] = parsed
  if (more.some(({ name }) => name !== first?.name)) throw new UsageError('all tags must be of one name')
  if (first !== undefined) return { name: first.name, tags: parsed.map(({ tag }) => tag) }
  const name = basename(resolve(dir)).toLowerCase()
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name))
    throw new UsageError(`No name for the image can be made of '${name}'; give one with --tag`)
  return { name, tags: undefined }
}

function mustBeNamed({ buildArg, secret, target, cache, pull }: Options): void {
  if (buildArg !== undefined || secret !== undefined || target !== undefined || cache === false || pull !== undefined)
    throw new UsageError('--build-arg, --secret, --target, --no-cache and --pull are for a directory: write ./NAME')
}

function recipeOf({ recipe, file }: Options): string | undefined {
  return recipe ?? file
}

/** What to build in turn: a known image says it by its name alone, where the command line does not describe another. */
async function described(cli: Cli, name: string, options: Options): Promise<BuildImage[]> {
  const { suite, package: packages, tar } = options
  const recipe = recipeOf(options)
  if ([suite, packages, tar, recipe].every((given) => given === undefined)) {
    // Imported here: few who use the command line build these.
    const { isKnownImage, KNOWN_IMAGES } = await import('@spawnpoint/server/known-images')
    if (isKnownImage(name)) return [...KNOWN_IMAGES[name]]
  }
  return [{ name, source: await sourceFrom(cli, options) }]
}

async function sourceFrom(cli: Cli, options: Options): Promise<ImageSource> {
  const { suite, package: packages, tar } = options
  const recipe = recipeOf(options)
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
