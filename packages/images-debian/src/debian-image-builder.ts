import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type BaseSource,
  type BuildProgress,
  type BuiltImage,
  type ImageBuilder,
  invalidArgument,
} from '@spawnpoint/core'
import { aptProxies, aptSources } from './apt-sources.ts'
import { BASE_IMAGE } from './base-image.ts'
import { releaseDirectory } from './clean-up.ts'
import { mmdebstrapProgress } from './progress.ts'
import { failed, runLogged } from './run-logged.ts'
import { TarImageBuilder } from './tar-image-builder.ts'

export interface DebianImageBuilderOptions {
  /** Keeps downloaded packages, so that the next build needs the network for the package lists only */
  cacheDir: string
  /** Archives that `{ type: 'tar' }` may name are in it; left out, such sources are refused */
  importsDir?: string
  log?: { warn(fields: object, message: string): void }
}

/** Names as in Debian's policy 5.6.1, optionally `=version`; nothing that apt would take for a path, pattern or option. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]{1,99}(=[A-Za-z0-9.+:~-]{1,99})?$/
const SUITE = /^[a-z][a-z0-9-]{1,39}$/
const MAX_PACKAGES = 500

/**
 * Builds `{ type: 'debian' }` with mmdebstrap: the packages named, without recommended ones, and what every sandbox
 * needs (a user `user` with uid 1000 and sudo, the agent's directories). Trusts Debian's signed archive and runs its
 * maintainer scripts as root in a chroot: a source may name packages, not where they come from. Archives (`tar`) go to
 * `TarImageBuilder`.
 */
export class DebianImageBuilder implements ImageBuilder {
  readonly types: readonly BaseSource['type'][]
  readonly #cacheDir: string
  readonly #archives: TarImageBuilder | null
  readonly #log: DebianImageBuilderOptions['log']

  constructor(options: DebianImageBuilderOptions) {
    this.#cacheDir = options.cacheDir
    this.#archives = options.importsDir === undefined ? null : new TarImageBuilder({ allowedDir: options.importsDir })
    this.#log = options.log
    this.types = this.#archives === null ? ['debian'] : ['debian', 'tar']
  }

  async build(
    source: BaseSource,
    dir: string,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<BuiltImage> {
    if (source.type === 'tar' && this.#archives !== null) return this.#archives.build(source, dir, report, signal)
    const { suite, packages } = checked(source)
    await mkdir(this.#cacheDir, { recursive: true, mode: 0o755 })
    const [sources, proxies] = await Promise.all([aptSources(suite), aptProxies()])
    const script = (name: string) => join(import.meta.dirname, name)
    try {
      await runLogged({
        step: 'build the image',
        program: 'mmdebstrap',
        args: [
          ...['--verbose', '--mode=root', '--variant=minbase', '--format=directory'],
          ...['Apt::Install-Recommends "false"', ...proxies].map((option) => `--aptopt=${option}`),
          '--dpkgopt=force-unsafe-io',
          ...(packages.length > 0 ? [`--include=${packages.join(',')}`] : []),
          // Or the cache would be an error, and used up by the first half of the build.
          '--skip=download/empty,essential/unlink',
          '--setup-hook=sh "$SPAWNPOINT_CACHE_SCRIPT" in "$SPAWNPOINT_CACHE" "$1"',
          '--extract-hook=sh "$SPAWNPOINT_EXCLUDE_SCRIPT" "$1"',
          '--customize-hook=sh "$SPAWNPOINT_CACHE_SCRIPT" out "$SPAWNPOINT_CACHE" "$1"',
          '--customize-hook=sh "$SPAWNPOINT_CUSTOMIZE_SCRIPT" "$1"',
          ...[suite, dir, ...sources],
        ],
        env: {
          SPAWNPOINT_CACHE: this.#cacheDir,
          SPAWNPOINT_CACHE_SCRIPT: script('cache.sh'),
          SPAWNPOINT_EXCLUDE_SCRIPT: script('exclude.sh'),
          SPAWNPOINT_CUSTOMIZE_SCRIPT: script('customize.sh'),
        },
        onLine: mmdebstrapProgress(report),
        signal,
      })
    } finally {
      const left = await releaseDirectory(dir)
      if (left.length > 0) this.#log?.warn({ left, dir }, 'an image build left things behind')
    }
    return { defaults: BASE_IMAGE.defaults }
  }
}

function checked(source: BaseSource): BaseSource & { type: 'debian' } {
  if (source.type !== 'debian') throw failed('build the image', `not a Debian source: ${source.type}`)
  if (!SUITE.test(source.suite)) throw invalidArgument('source.suite', 'not the name of a Debian suite')
  if (source.packages.length > MAX_PACKAGES) throw invalidArgument('source.packages', `more than ${MAX_PACKAGES}`)
  const wrong = source.packages.findIndex((name) => !PACKAGE.test(name))
  if (wrong >= 0) throw invalidArgument(`source.packages[${wrong}]`, 'not the name of a Debian package')
  return source
}
