import { Readable } from 'node:stream'
import { type TarFile, tarOf } from '@spawnpoint/contracts'
import type { DockerfileSource, ImageDefaults } from '@spawnpoint/core'
import { unpackTar } from 'modern-tar'
import type { Unpack } from '../copy.ts'
import { HttpDownloads } from '../downloads.ts'
import { DockerfileFrontEnd } from '../reader.ts'

export const GIB = 2 ** 30
/** What the images are that a Dockerfile begins with */
export const BASE: ImageDefaults = {
  env: { PATH: '/opt/bin:/bin', HOME: '/root' },
  user: 'app',
  workdir: '/work',
  startCommand: ['/init', 'serve'],
  entrypoint: ['/init'],
}

/** Reads a Dockerfile with these files for its context, and plans it. */
export async function read(dockerfile: string, files: TarFile[] | Buffer = [], over: Partial<DockerfileSource> = {}) {
  const archive = Buffer.isBuffer(files) ? files : tarOf(files)
  const source = { type: 'dockerfile' as const, dockerfile, context: 'x:context', ...over }
  // Whatever it is packed with, unpacked it says so.
  const unpack: Unpack = (packing) => Readable.from([Buffer.from(`out of ${packing}`)])
  const build = await new DockerfileFrontEnd(unpack, new HttpDownloads({ nearest: 'loopback' })).read(
    source,
    async () => Readable.from([archive]),
    {
      maxBytes: GIB,
    },
  )
  const bases = new Map(build.images.map(({ name }) => [name, BASE]))
  const plan = await build.plan(bases, new AbortController().signal)
  const steps = plan.stages.flatMap((stage) => stage.steps.map(({ step }) => step))
  return { build, plan, steps }
}

/** What a step unpacks: `name type mode content-or-target`. */
export async function packed(
  build: Awaited<ReturnType<typeof read>>['build'],
  blob: string | undefined,
): Promise<string[]> {
  const bytes = Buffer.concat(await build.pack(blob ?? '').toArray())
  const entries = await unpackTar(bytes, { strict: true })
  return entries.map(({ header, data }) =>
    [header.name, header.type, (header.mode ?? 0).toString(8), header.linkname || Buffer.from(data ?? []).toString()]
      .join(' ')
      .trim(),
  )
}

/** Instructions of one stage. */
export const lines = (...each: string[]) => ['FROM base', ...each].join('\n')
