import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, cp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Account, allows, canReach } from './account.ts'
import { type Binaries, findBinaries } from './binaries.ts'
import { linkLibraries, type RunDir } from './run-dir.ts'

/** Starts PostgreSQL's programs as the account, each bound to the life of this process. */
export class Launcher {
  readonly #account: Account
  readonly #run: RunDir
  /** The programs' real place */
  readonly #programs: string

  private constructor(account: Account, run: RunDir, programs: string) {
    this.#account = account
    this.#run = run
    this.#programs = programs
  }

  static async prepare(
    account: Account,
    run: RunDir,
    dataDir: string,
    binaries: Binaries = findBinaries(),
  ): Promise<Launcher> {
    const programs = await readableCopy(account, binaries, dataDir)
    await linkLibraries(run, binaries, (await canReach(account, programs)) ? programs : run.programs)
    return new Launcher(account, run, programs)
  }

  /**
   * Starts `program` on the cluster directory `data`; `args` gets the place where the program sees it.
   *
   * `setpriv` switches the account and asks the kernel for `deathSignal` when this process ends, `kill -9` included. A
   * directory that the account cannot walk to, below somebody's 0700 home, is mounted at a place that it can, in a mount
   * namespace of the program's own: nobody else sees it and it ends with the program.
   */
  async start(
    program: 'initdb' | 'postgres',
    data: string,
    deathSignal: 'INT' | 'KILL',
    logFd: number,
    args: (data: string) => string[],
  ): Promise<ChildProcess> {
    const mounts: string[] = []
    const seen = async (path: string, elsewhere: string): Promise<string> => {
      if (!this.#account.other || (await canReach(this.#account, path))) return path
      mounts.push(path, elsewhere)
      return elsewhere
    }
    const seenPrograms = await seen(this.#programs, this.#run.programs)
    const seenData = await seen(data, this.#run.data)
    const { uid, gid, other } = this.#account
    const account = other ? [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'] : []
    const command = ['setpriv', ...account, '--no-new-privs', `--pdeathsig=${deathSignal}`]
    // The package's libraries find each other neither by their own paths nor by all their names. Set for the program
    // alone: the host's `setpriv` and `sh` are to use the host's libraries.
    command.push('env', `LD_LIBRARY_PATH=${this.#run.libraries}:${join(seenPrograms, 'lib')}`)
    command.push(join(seenPrograms, 'bin', program), ...args(seenData))
    if (mounts.length > 0) {
      // `slave`: what the host unmounts goes away in here too instead of being kept busy.
      command.unshift('unshare', '--mount', '--propagation=slave', 'sh', '-ceu', MOUNT_AND_RUN, 'sh', ...mounts, '--')
    }
    return spawn(command[0] as string, command.slice(1), {
      cwd: '/',
      // A session of its own: Ctrl-C in the terminal is for the server, which stops PostgreSQL when it is done with it.
      detached: true,
      stdio: ['ignore', logFd, logFd],
      env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    })
  }
}

const MOUNT_AND_RUN = 'while [ "$1" != -- ]; do mount -n --bind "$1" "$2"; shift 2; done; shift; exec "$@"'

/** The programs' place, or a copy below the data directory where the account may not read what npm wrote (umask 077). */
async function readableCopy(account: Account, binaries: Binaries, dataDir: string): Promise<string> {
  const samples = ['.', 'bin', 'lib', 'share', 'bin/postgres', 'lib/postgresql', 'share/postgresql']
  const readable = await Promise.all(
    samples.map((sample) => allows(account, join(binaries.root, sample), 0o4 | (sample.startsWith('bin') ? 0o1 : 0))),
  )
  if (!account.other || readable.every(Boolean)) return binaries.root
  const copy = join(dataDir, `postgres-bin-${binaries.version}`)
  const parts = (await readdir(dataDir)).filter((name) => name.startsWith('postgres-bin-'))
  if (parts.includes(`postgres-bin-${binaries.version}`)) return copy
  // Other versions, and what a killed server did not finish.
  for (const part of parts) await rm(join(dataDir, part), { recursive: true, force: true })
  const unfinished = `${copy}.new`
  await cp(binaries.root, unfinished, { recursive: true })
  await chmod(unfinished, 0o755)
  for (const entry of await readdir(unfinished, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755)
  }
  await rename(unfinished, copy)
  return copy
}
