import { mkdir, readdir, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  type BaseSource,
  type BuildProgress,
  type BuiltImage,
  type ImageBuilder,
  invalidArgument,
  SpawnpointError,
} from '@spawnpoint/core'
import { failed, runLogged } from './run-logged.ts'

export interface TarImageBuilderOptions {
  /** Where archives must be, and relative names begin: a request must not be able to read the host's other files */
  allowedDir: string
  /** Most bytes an archive may unpack to, default 16 GiB */
  maxBytes?: number
}

/** GNU tar counts in records of 20 blocks of 512 bytes. */
const RECORD_BYTES = 10_240
const RECORDS_PER_LINE = 500

/**
 * Builds `{ type: 'tar' }` from an archive of a root file system, plain or compressed, with owners by number, extended
 * attributes and ACLs. GNU tar refuses names with `..`, strips a leading `/`, and makes absolute links only after all
 * files, so nothing lands outside. Device nodes are left out: the runtime gives each sandbox its own `/dev`.
 */
export class TarImageBuilder implements ImageBuilder {
  readonly types = ['tar'] as const
  readonly #allowedDir: string
  readonly #maxBytes: number

  constructor(options: TarImageBuilderOptions) {
    this.#allowedDir = options.allowedDir
    this.#maxBytes = options.maxBytes ?? 16 * 2 ** 30
  }

  async build(
    source: BaseSource,
    dir: string,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<BuiltImage> {
    if (source.type !== 'tar') throw failed('unpack the image', `not a tar source: ${source.type}`)
    const archive = await this.#archive(source.path)
    if ((await readdir(dir)).length > 0) throw failed('unpack the image', 'the directory is not empty')
    const { size } = await stat(archive)
    await runLogged({
      step: 'unpack the image',
      program: 'tar',
      args: [
        ...[
          '--extract',
          '--file',
          archive,
          '--directory',
          dir,
          '--numeric-owner',
          '--same-owner',
          '--same-permissions',
        ],
        ...['--xattrs', '--xattrs-include=*', '--acls', '--delay-directory-restore', '--warning=no-timestamp'],
        ...[`--checkpoint=${RECORDS_PER_LINE}`, '--checkpoint-action=echo=record %u'],
      ],
      onLine: (line) => {
        const bytes = Number(/record (\d+)$/.exec(line)?.[1] ?? 0) * RECORD_BYTES
        if (bytes === 0) return report({ step: 'unpack', fraction: null, line })
        if (bytes > this.#maxBytes) throw tooLarge(this.#maxBytes)
        // Beyond its own size it is compressed, and nobody knows how long it is.
        report({ step: 'unpack', fraction: bytes <= size ? bytes / size : null, line: null })
      },
      signal,
    })
    const clean = ['-P', dir, '-xdev', '(', '-type', 'b', '-o', '-type', 'c', ')', '-delete']
    await runLogged({ step: 'unpack the image', program: 'find', args: clean, onLine: () => {}, signal })
    if ((await readdir(dir)).length === 0) throw failed('unpack the image', 'the archive is empty')
    await makeMountPoint(join(dir, '.spawnpoint'))
    return { defaults: {} }
  }

  async #archive(path: string): Promise<string> {
    const [allowed, archive] = await Promise.all([
      realpath(this.#allowedDir),
      realpath(resolve(this.#allowedDir, path)),
    ]).catch((error) => {
      throw invalidArgument('source.path', `cannot be read: ${(error as NodeJS.ErrnoException).code}`)
    })
    if (!archive.startsWith(`${allowed}/`)) throw invalidArgument('source.path', 'outside the directory for archives')
    if (!(await stat(archive)).isFile()) throw invalidArgument('source.path', 'not a file')
    return archive
  }
}

/** `mkdir` follows no link at the last place, and the place before it is the image's own top directory. */
async function makeMountPoint(path: string): Promise<void> {
  await mkdir(path, { mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    // The archive of an image that was made here before has it.
    if (error.code !== 'EEXIST') throw error
  })
}

function tooLarge(limitBytes: number): SpawnpointError<'payload_too_large'> {
  const message = `The archive unpacks to more than ${limitBytes} bytes`
  return new SpawnpointError('payload_too_large', message, { limitBytes })
}
