import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { cancelled, runConfined } from '@spawnpoint/confined'
import { type GitSource, type RemoteAsk, type RemoteReader, SpawnpointError, type TakeRemote } from '@spawnpoint/core'
import { type Roots, systemRoots } from '@spawnpoint/outbound'
import { GitSession } from './git-session.ts'
import { findCommit, packOf } from './repository.ts'

export interface GitReaderOptions {
  /** For work in progress; belongs to this reader alone */
  dir: string
  /** PEM; of those that may say who a server is, default whom this machine trusts */
  roots?: readonly string[]
  /** Milliseconds that one repository may take, default ten minutes */
  timeoutMs?: number
}

const TEN_MINUTES_MS = 600_000
/** What git needs a place in memory for, whatever the sandbox's disk holds */
const MAX_PACK_BYTES = 2 * 2 ** 30
const STEP = 'read the repository'

/**
 * Files as the tree has them: what its own attributes would leave out or fill in is neither left out nor filled in. Without
 * its history, which was not fetched.
 */
const SCRIPT = `
set -e
git init -q --bare --template= --object-format="$2" /scratch/repository
cd /scratch/repository
mkdir -p info
echo '* -export-ignore -export-subst' > info/attributes
git -c pack.threads=1 index-pack --stdin > index-pack.out
exec git -c tar.umask=0022 archive --format=tar "$1"
`

/**
 * Reads Git repositories over HTTP. This server asks for the pack itself, so that where it is sent on to and what it shows to
 * whom is its own; what comes is looked into by `git`, which has neither a network nor anything of the host.
 */
export class GitReader implements RemoteReader<GitSource> {
  readonly type = 'git'
  readonly #dir: string
  readonly #roots: Roots
  readonly #timeoutMs: number

  private constructor({ dir, roots, timeoutMs = TEN_MINUTES_MS }: GitReaderOptions) {
    this.#dir = dir
    this.#roots = () => roots ?? systemRoots()
    this.#timeoutMs = timeoutMs
  }

  /** Removes what an earlier process left half done. */
  static async open(options: GitReaderOptions): Promise<GitReader> {
    await rm(options.dir, { recursive: true, force: true })
    await mkdir(options.dir, { recursive: true, mode: 0o700 })
    return new GitReader(options)
  }

  async read(
    { source, credentials, known, maxBytes }: RemoteAsk<GitSource>,
    take: TakeRemote,
    given: AbortSignal,
  ): Promise<string> {
    const late = AbortSignal.timeout(this.#timeoutMs)
    const signal = AbortSignal.any([given, late])
    const work = join(this.#dir, randomUUID())
    await mkdir(work, { mode: 0o700 })
    try {
      using session = new GitSession(source.url, credentials, this.#roots(), signal)
      const commit = await findCommit(session, source)
      if (commit.id === known) return known
      const limit = Math.min(maxBytes, MAX_PACK_BYTES)
      await runConfined({
        step: STEP,
        program: 'sh',
        args: ['-c', SCRIPT, 'sh', commit.id, commit.abilities.format],
        readable: [],
        writable: [['/scratch', work]],
        devices: true,
        capabilities: [],
        fileBytes: limit,
        timeoutMs: this.#timeoutMs,
        input: (stdin) => pipeline(Readable.from(packOf(session, commit, limit)), stdin),
        output: (archive) => take(archive, null),
        signal,
      })
      return commit.id
    } catch (error) {
      if (given.aborted) throw cancelled(STEP)
      if (late.aborted) {
        const message = `Could not ${STEP} within ${Math.round(this.#timeoutMs / 1_000)} s: ${source.url}`
        throw new SpawnpointError('timeout', message, { what: STEP, timeoutMs: this.#timeoutMs })
      }
      throw error
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
}
