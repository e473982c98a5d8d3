import { execFile } from 'node:child_process'
import { lstat, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { unavailable } from '../failures.ts'

const run = promisify(execFile)

/** Whom PostgreSQL runs as. It refuses root, so a server run by root lends it an account of its own. */
export interface Account {
  uid: number
  gid: number
  /** False when PostgreSQL runs as the user of this process, who needs no switch */
  other: boolean
}

const OWN_ACCOUNT = 'spawnpoint-pg'

/** The owner of the cluster if there is one, else `spawnpoint-pg`, `postgres`, or a new system account. */
export async function chooseAccount(cluster: string): Promise<Account> {
  const [uid, gid] = [process.getuid?.() ?? -1, process.getgid?.() ?? -1]
  const owner = await lstat(cluster).catch(() => null) // not there yet: the first start
  if (uid !== 0) {
    if (owner && owner.uid !== uid)
      throw unavailable(`${cluster} belongs to user ${owner.uid}, this server runs as ${uid}`)
    return { uid, gid, other: false }
  }
  if (owner) {
    if (owner.uid === 0) throw unavailable(`${cluster} belongs to root, whom PostgreSQL refuses`)
    return { uid: owner.uid, gid: owner.gid, other: true }
  }
  const found = (await lookUp(OWN_ACCOUNT)) ?? (await lookUp('postgres')) ?? (await create())
  return { ...found, other: true }
}

async function lookUp(name: string): Promise<{ uid: number; gid: number } | null> {
  const line = await run('getent', ['passwd', name]).then(
    ({ stdout }) => stdout,
    () => '', // exit code 2: no such user
  )
  const [, , uid, gid] = line.trim().split(':')
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : null
}

async function create(): Promise<{ uid: number; gid: number }> {
  const options = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent']
  // Another server may create it at the same time; what counts is that it is there afterwards.
  const failure = await run('useradd', [...options, '--shell', '/usr/sbin/nologin', OWN_ACCOUNT]).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  const found = await lookUp(OWN_ACCOUNT)
  if (!found) throw unavailable(`PostgreSQL needs a user other than root; create one named ${OWN_ACCOUNT}`, failure)
  return found
}

/** Whether mode bits let the account read a directory and walk to it through every directory above. */
export async function canReach(account: Account, path: string): Promise<boolean> {
  const real = await realpath(path)
  for (let at = real; ; at = dirname(at)) {
    if (!(await allows(account, at, at === real ? 0o5 : 0o1))) return false
    if (at === dirname(at)) return true
  }
}

/** `bits` as of "others": 4 read, 2 write, 1 execute or enter. */
export async function allows(account: Account, path: string, bits: number): Promise<boolean> {
  const { mode, uid, gid } = await stat(path)
  const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0
  return ((mode >> shift) & bits) === bits
}
