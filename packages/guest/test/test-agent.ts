import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GuestIdentity } from '@spawnpoint/core'
import { type OpenedGuest, openGuest } from '../src/index.ts'

const BUILD = new URL('../../../guest/agent/build.sh', import.meta.url).pathname

/**
 * Builds the agent; returns its path. Go's own cache makes the second time quick. `SPAWNPOINT_AGENT` names one to test
 * instead, for instance one built with the race detector.
 */
export function buildAgent(dir: string): string {
  if (process.env.SPAWNPOINT_AGENT) return process.env.SPAWNPOINT_AGENT
  const agent = join(dir, 'agent')
  execFileSync(BUILD, [agent], { stdio: ['ignore', 'inherit', 'inherit'] })
  return agent
}

export interface TestAgent extends AsyncDisposable {
  guest: OpenedGuest
  toGuest: string
  fromGuest: string
  /** Directory that agent and test both see */
  dir: string
  log(): string
  attach(): Promise<OpenedGuest>
}

/**
 * The agent's root: this machine's files below a throw-away layer in memory. /run is a tmpfs as in a sandbox, /dev and
 * the test's own directory are the machine's.
 */
const ENTER = `
  set -e
  agent=$0 dir=$1
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir /run/upper /run/work /run/root
  mount -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/root
  cd /run/root
  mount --rbind /dev dev
  mount -t proc proc proc
  mount -t tmpfs -o mode=755 tmpfs run
  for shared in "$dir" "$(dirname "$agent")"; do
    mkdir -p ".$shared"
    mount --bind "$shared" ".$shared"
  done
  ip link set lo up
  exec chroot . "$agent"`

/**
 * Runs the real agent as PID 1 of its own PID, mount, network and UTS namespaces, in a root of its own, so that it may
 * write the identity of a sandbox, and anything else, without touching this machine.
 */
export async function startAgent(agent: string): Promise<TestAgent> {
  const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-guest-'))
  execFileSync('chmod', ['755', dir])
  const toGuest = join(dir, 'to-guest')
  const fromGuest = join(dir, 'from-guest')
  const logPath = join(dir, 'log')
  execFileSync('mkfifo', [toGuest, fromGuest])
  const stdin = openSync(toGuest, constants.O_RDWR)
  const stdout = openSync(fromGuest, constants.O_RDWR)
  const log = openSync(logPath, 'a')
  const flags = [
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--uts',
    '--net',
    '--mount-proc',
    '--propagation=private',
  ]
  const child = spawn('unshare', [...flags, 'sh', '-c', ENTER, agent, dir], { stdio: [stdin, stdout, log], cwd: '/' })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  for (const fd of [stdin, stdout, log]) closeSync(fd)
  const opened: OpenedGuest[] = []
  const attach = async () => {
    const guest = await openGuest({ toGuest, fromGuest, label: 'test' })
    opened.push(guest)
    return guest
  }
  const stop = async () => {
    for (const guest of opened) await guest.close()
    const races = readFileSync(logPath, 'utf8')
    if (races.includes('DATA RACE')) console.error(races)
    // Its death takes its namespace along. `--kill-child` alone does not do: changing its user undoes that.
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim()
    if (children !== '') process.kill(Number(children), 'SIGKILL')
    else child.kill('SIGKILL')
    await exited
    rmSync(dir, { recursive: true, force: true })
  }
  try {
    const guest = await attach()
    return {
      guest,
      toGuest,
      fromGuest,
      dir,
      log: () => readFileSync(logPath, 'utf8'),
      attach,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    console.error(readFileSync(logPath, 'utf8'))
    await stop()
    throw error
  }
}

export const identity: GuestIdentity = {
  sandboxId: '0123456789abcdef01234567',
  hostname: 'box',
  env: { FROM_IDENTITY: 'yes', SHARED: 'identity' },
  generation: 3,
  seed: 'ab'.repeat(32),
  dns: ['10.88.0.1'],
  limits: { maxProcesses: 5000, memoryBytes: 1 << 30 },
  cause: 'restore',
  hookTimeoutMs: 5000,
  defaults: { user: 'root', workdir: '/', startCommand: [] },
}
