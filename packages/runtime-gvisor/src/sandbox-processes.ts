import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cgroups } from './cgroup/cgroups.ts'
import { errorText, runtimeFailed } from './failure.ts'
import {
  findByArgument,
  findCommands,
  findProcess,
  type HostProcess,
  isAlive,
  killProcess,
  waitUntilDead,
} from './host-process.ts'
import type { IncarnationPaths } from './incarnation-record.ts'
import { readRunscState } from './runsc-state.ts'

/** A program that is just being started has no arguments for a moment: finding none counts only the second time */
const LOOK_AGAIN_MS = 20

/** Sentry and gofer of a container that runsc has just made, sentry first. Rejects `runtime_failed` if it is dead. */
export function findSandboxProcesses(paths: IncarnationPaths): HostProcess[] {
  let sentry: HostProcess | null
  try {
    sentry = findProcess(Number(readFileSync(paths.pidFile, 'utf8')))
  } catch (error) {
    throw runtimeFailed('run', `runsc reports success, yet wrote no pid file: ${errorText(error)}`, error)
  }
  if (!sentry) throw runtimeFailed('run', 'the sandbox ended as soon as it had started')
  const goferPid = readGoferPid(paths.root)
  const gofer = goferPid === null ? null : findProcess(goferPid)
  return gofer ? [sentry, gofer] : [sentry]
}

/** Only runsc's state file names the gofer. If it cannot be read, the gofer is still found by its control group. */
function readGoferPid(root: string): number | null {
  return Number(readRunscState(root)?.goferPid) || null
}

/**
 * Kills everything that runs for an incarnation and waits until it is dead. `known` are its processes as recorded; the
 * sentry is init of everything else inside. Whatever is in the control group follows. With `search`, also what names the
 * incarnation's directory in its arguments, with its process group: a runsc that was cut off may be anywhere on its way.
 * Rejects `runtime_failed` if something survives SIGKILL for `timeoutMs`.
 */
export async function killSandbox(options: {
  known: readonly HostProcess[]
  cgroups: Cgroups
  id: string
  timeoutMs: number
  search?: string
}): Promise<void> {
  const { known, cgroups, id, timeoutMs, search } = options
  const deadline = performance.now() + timeoutMs
  const looks = search ? 2 : 1
  let looksLeft = looks
  const groups = new Set<number>()
  known.forEach(killProcess)
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    const found = [...known, ...groupProcesses(cgroups, id), ...(search ? findCommands(search, groups) : [])]
    const alive = found.filter(isAlive)
    if (alive.length === 0) {
      looksLeft -= 1
      if (looksLeft === 0) return
      await sleep(LOOK_AGAIN_MS)
      continue
    }
    looksLeft = looks
    alive.forEach(killProcess)
    if (await waitUntilDead(alive, pauseMs)) continue
    if (performance.now() > deadline) {
      throw runtimeFailed('kill', `processes ${alive.map(({ pid }) => pid).join(', ')} survive SIGKILL`)
    }
    await sleep(pauseMs)
  }
}

/**
 * Kills the calls of runsc that wait for the word of a server that is dead (see `WaitingCall`); with such a call under way there
 * is no other for that incarnation. One that has gone on is left to its end.
 */
export async function killWaiting(stateDir: string, timeoutMs: number): Promise<void> {
  const waiting = findByArgument(`--log=${stateDir}/i/`).filter(({ pid }) => {
    try {
      const log = readFileSync(`/proc/${pid}/cmdline`, 'latin1').match(/--log=([^\0]*\/p\/log)\0/)?.[1]
      const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
      return log !== undefined && !open.includes(log)
    } catch {
      // ENOENT, ESRCH: it has just ended, or opened something.
      return false
    }
  })
  waiting.forEach(killProcess)
  if (await waitUntilDead(waiting, timeoutMs)) return
  throw runtimeFailed('kill', `processes ${waiting.map(({ pid }) => pid).join(', ')} survive SIGKILL`)
}

function groupProcesses(cgroups: Cgroups, id: string): HostProcess[] {
  return cgroups
    .pids(id)
    .map(findProcess)
    .filter((process) => process !== null)
    .filter(({ pid }) => {
      try {
        // Numbers are used again: the group is asked about this very process.
        return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`/${id}`)
      } catch {
        // ENOENT, ESRCH: it ended meanwhile.
        return false
      }
    })
}
