import { createHash } from 'node:crypto'
import { chmod, chown, lstat, mkdir, realpath, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { unavailable } from '../failures.ts'
import type { Account } from './account.ts'
import type { Binaries } from './binaries.ts'

/**
 * Short-lived things of one data directory: the socket, whose path the kernel limits to 107 bytes, names for libraries,
 * and points to mount on. The same path every time for the same data directory; nothing in it outlives a restart.
 */
export interface RunDir {
  /** Belongs to the account, mode 0700: who may enter is who may connect, there are no passwords */
  socket: string
  libraries: string
  /** Where the cluster and the programs appear when the account cannot walk to their real place */
  data: string
  programs: string
  remove(): Promise<void>
}

export async function makeRunDir(dataDir: string, account: Account): Promise<RunDir> {
  const hash = createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 12)
  const uid = process.getuid?.() ?? 0
  const root = join(uid === 0 ? '/run' : (process.env.XDG_RUNTIME_DIR ?? '/tmp'), `spawnpoint-pg-${hash}`)
  const dirs = {
    socket: join(root, 'socket'),
    libraries: join(root, 'lib'),
    data: join(root, 'data'),
    programs: join(root, 'programs'),
  }
  // `.s.PGSQL.5432.lock` beside the socket is the longest name.
  if (Buffer.byteLength(dirs.socket) > 85) throw unavailable(`${dirs.socket} is too long for a unix socket`)
  await mkdir(root, { recursive: true })
  const found = await lstat(root)
  // Where anybody can write, somebody may have been first.
  if (!found.isDirectory() || found.uid !== uid) throw unavailable(`${root} belongs to somebody else`)
  await chmod(root, 0o711)
  for (const dir of Object.values(dirs)) await mkdir(dir, { recursive: true, mode: 0o755 })
  if (account.other) await chown(dirs.socket, account.uid, account.gid)
  await chmod(dirs.socket, 0o700)
  return { ...dirs, remove: () => rm(root, { recursive: true, force: true }) }
}

/** Links every name that a library is asked for by to its file in `programs`, the programs' place as the account sees it. */
export async function linkLibraries(run: RunDir, binaries: Binaries, programs: string): Promise<void> {
  for (const { name, file } of binaries.links) {
    await rm(join(run.libraries, name), { force: true })
    await symlink(join(programs, 'lib', file), join(run.libraries, name))
  }
}
