import type { Command } from 'commander'
import type { BuildImage } from 'spawnpoint'
import type { Cli } from '../../cli.ts'
import { UsageError } from '../../exit.ts'
import { pairs } from '../../options.ts'
import { readPassword } from '../../password.ts'
import { type Options, verb } from '../../verb.ts'
import { declareDefaults, defaultsFrom } from './defaults.ts'
import { BuildProgress } from './progress.ts'

export function addPull(parent: Command): void {
  verb(
    parent,
    'pull <reference>',
    'make an image from one of a registry, or of an OCI or Docker archive on the server',
    async (cli, options, reference: string) => {
      const { name = nameOf(reference) } = options
      const credentials = await credentialsFrom(cli, options)
      const progress = new BuildProgress(cli, options.verbose ?? false)
      const tag = tagOf(reference)
      const image = await cli.client.images.build(
        {
          name,
          tags: tag === null ? undefined : [tag],
          source: { type: 'oci', reference },
          credentials,
          defaults: defaultsFrom(options),
          labels: pairs(options.label, 'label'),
        },
        { onProgress: progress.tell },
      )
      await progress.done(`Pulled ${image.name}`, image)
    },
    (command) =>
      declareDefaults(command)
        .option('-n, --name <name>', 'name of the image; default the last part of the reference')
        .option('-u, --username <name>', 'user of the registry; asks for the password')
        .option('--password-stdin', 'read the password from stdin')
        .option(
          '--aws-region <region>',
          'for a registry of AWS, as whom AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say',
        ),
  )
}

/** Throws `UsageError`. */
async function credentialsFrom(cli: Cli, options: Options): Promise<BuildImage['credentials']> {
  const { username, awsRegion: region, passwordStdin = false } = options
  if (region === undefined) return username && { username, password: await readPassword(cli, passwordStdin) }
  if (username !== undefined) throw new UsageError('--aws-region and --username are of two kinds of registries')
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN } = process.env
  if (!accessKeyId || !secretAccessKey)
    throw new UsageError('--aws-region: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set')
  if (AWS_SESSION_TOKEN) throw new UsageError('--aws-region: keys of a session (AWS_SESSION_TOKEN) are not taken')
  return { aws: { region, accessKeyId, secretAccessKey } }
}

/** `python` of `ghcr.io/team/python:3.13`, `app` of `oci-archive:app.tar:v1`. Throws `UsageError`. */
export function nameOf(reference: string): string {
  const [, archive] = /^(?:oci|oci-archive|docker-archive):([^:]+)/.exec(reference) ?? []
  const last = archive?.replace(/\.tar(\.\w+)?$/, '') ?? lastPart(reference).replace(/:.*$/, '')
  if (/^[a-z0-9][a-z0-9._-]{0,63}$/.test(last)) return last
  throw new UsageError(`No name for the image can be made of '${reference}'; give one with --name`)
}

/** The tag of an image in a registry, which its name here gets too. */
export function tagOf(reference: string): string | null {
  if (/^(?:oci|oci-archive|docker-archive):/.test(reference)) return null
  return /:([^:]*)$/.exec(lastPart(reference))?.[1] ?? null
}

/** `python:3.13` of `ghcr.io/team/python:3.13@sha256:…`; the colon of a port is before it. */
function lastPart(reference: string): string {
  return reference.replace(/@.*$/, '').replace(/^.*\//, '')
}
