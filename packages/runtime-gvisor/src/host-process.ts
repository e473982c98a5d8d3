import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A process told apart from a later one with the same number: start time in clock ticks since boot. */
export interface HostProcess {
  pid: number
  startTime: string
}

let bootId: string | undefined

/** Differs after every boot of the host: a pid and start time written down before one mean nothing after it. */
export function hostBootId(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return bootId
}

/** `null` if no such process runs. A zombie is dead: nothing of it runs and only its parent still has to notice. */
export function findProcess(pid: number): HostProcess | null {
  const stat = readStat(pid)
  return stat && stat.state !== 'Z' && stat.state !== 'X' ? { pid, startTime: stat.startTime } : null
}

export function isAlive(process: HostProcess): boolean {
  return findProcess(process.pid)?.startTime === process.startTime
}

/** SIGKILL if it is still the same process. */
export function killProcess(target: HostProcess): void {
  if (!isAlive(target)) return
  try {
    process.kill(target.pid, 'SIGKILL')
  } catch {
    // ESRCH: it ended between the look and the signal.
  }
}

/** False if one of them still runs after `timeoutMs`. */
export async function waitUntilDead(processes: readonly HostProcess[], timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  for (let pauseMs = 1; processes.some(isAlive); pauseMs = Math.min(pauseMs * 2, 50)) {
    if (performance.now() > deadline) return false
    await sleep(pauseMs)
  }
  return true
}

/** Living processes with `text` in one of their arguments, this one left out. */
export function findByArgument(text: string): HostProcess[] {
  return otherPids()
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text)
      } catch {
        // ENOENT, ESRCH: it ended while we looked.
        return false
      }
    })
    .map(findProcess)
    .filter((found) => found !== null)
}

/**
 * As `findByArgument`, and whatever else is in a process group that one of them leads: what a command has started need not
 * have its arguments. `groups` remembers those groups from one call to the next, for members that outlive the leader.
 */
export function findCommands(text: string, groups: Set<number>): HostProcess[] {
  const named = findByArgument(text)
  for (const { pid } of named) if (readStat(pid)?.group === pid) groups.add(pid)
  if (groups.size === 0) return named
  const members = otherPids().filter((pid) => groups.has(readStat(pid)?.group ?? 0))
  return [...named, ...members.map(findProcess).filter((found) => found !== null)]
}

function otherPids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
}

function readStat(pid: number): { state: string; group: number; startTime: string } | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    // ENOENT, ESRCH: no such process.
    return null
  }
  // The command name in parentheses may hold spaces and parentheses itself; fields count from behind the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, group, startTime] = [fields[0], Number(fields[2]), fields[19]]
  return state && startTime ? { state, group, startTime } : null
}
