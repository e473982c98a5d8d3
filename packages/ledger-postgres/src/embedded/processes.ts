import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { unavailable } from '../failures.ts'

/**
 * Takes the lock that one server at a time holds over a data directory. The kernel gives it back when the process ends,
 * however it ends. Node has no flock; util-linux's locks the open file that it inherits, which is ours too.
 */
export async function takeLock(path: string): Promise<{ release(): void }> {
  const fd = openSync(path, 'a', 0o600)
  try {
    const child = spawn('flock', ['--exclusive', '--nonblock', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] })
    const code = await new Promise<number | null>((resolve, reject) =>
      child.once('error', reject).once('exit', resolve),
    )
    if (code !== 0) throw unavailable(`Another server uses ${path.replace(/\/[^/]*$/, '')}`)
  } catch (thrown) {
    closeSync(fd)
    throw thrown
  }
  return { release: () => closeSync(fd) }
}

/**
 * Ids of living processes of the PostgreSQL in `cluster`: the postmaster and every backend have it as their working
 * directory, compared by device and inode because they may see it under another path. Zombies have none and do not
 * count: a killed postmaster that nobody reaps stays one for ever, and PostgreSQL itself would take it for alive.
 */
export async function processesIn(cluster: string): Promise<number[]> {
  const wanted = await stat(cluster).catch(() => null) // no cluster, no processes
  if (!wanted) return []
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = names.map(async (name) => {
    const cwd = await stat(`/proc/${name}/cwd`).catch(() => null) // gone, a zombie, or another user's: not one of ours
    return cwd && cwd.dev === wanted.dev && cwd.ino === wanted.ino ? [Number(name)] : []
  })
  return (await Promise.all(found)).flat()
}

/**
 * Ends what a killed server left behind and clears its traces. Preconditions: the lock is held, so no server owns these
 * processes. Usually they are ending already, by the death signal. The leftover is not adopted: it would not get the
 * next server's death signal, and stopping it costs a fraction of a second.
 */
export async function endLeftovers(cluster: string, socketDir: string): Promise<void> {
  const pidFile = join(cluster, 'postmaster.pid')
  const postmaster = await readFile(pidFile, 'latin1').then(
    (content) => Number(content.split('\n', 1)[0]),
    () => null, // none after a clean stop
  )
  // A fast shutdown, then one that leaves recovery to the next start, then the end of every process.
  const steps = [
    ['SIGINT', 30_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const
  for (const [signal, waitMs] of steps) {
    const pids = await processesIn(cluster)
    const only = postmaster !== null && pids.includes(postmaster) && signal !== 'SIGKILL' ? [postmaster] : pids
    for (const pid of only) signalQuietly(pid, signal)
    if (await allGone(cluster, waitMs)) {
      // Only now: these files are what keeps a second postmaster away from the memory of a first one's backends. The
      // process id in them may be a zombie's or that of a stranger by now, at which PostgreSQL would refuse to start.
      await rm(pidFile, { force: true })
      for (const name of await readdir(socketDir)) await rm(join(socketDir, name), { force: true })
      return
    }
  }
  throw unavailable(`Processes of an earlier PostgreSQL in ${cluster} do not end`)
}

async function allGone(cluster: string, waitMs: number): Promise<boolean> {
  const deadline = performance.now() + waitMs
  while ((await processesIn(cluster)).length > 0) {
    if (performance.now() > deadline) return false
    await pause(10)
  }
  return true
}

export function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Ended meanwhile, which is what the signal was for.
  }
}
