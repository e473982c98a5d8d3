import { closeSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import type { IncarnationId, NetworkPolicy, Resources } from '@spawnpoint/core'
import { isId, storedNetwork } from '@spawnpoint/core'
import type { FrozenSpec } from './bundle.ts'
import type { HostProcess } from './host-process.ts'

/**
 * What the driver has to know of an incarnation after a restart of the server, in its directory:
 *
 *     i/ID/record.json   this; written once the incarnation runs, so one without it never came to life
 *     i/ID/paused        its `paused`, which changes four times in each snapshot
 *     i/ID/b/config.json OCI bundle
 *     i/ID/r/            state of runsc
 *     i/ID/p/in|out|err  named pipes; i/ID/p/log is that of a runsc that waits
 *     i/ID/log.STEP      what runsc said when it gave up
 *
 * Not synced to disk: a crash of the host ends the incarnation too, and `bootId` tells.
 */
export interface IncarnationRecord {
  format: 1
  bootId: string
  id: IncarnationId
  /** Sentry first */
  processes: HostProcess[]
  slot: number
  network: NetworkPolicy
  /** Hosts that credential rules name; what goes into requests to them is not kept here */
  intercepts?: string[]
  resources: Resources
  agentDigest: string
  frozen: FrozenSpec
  /** Where its kernel takes orders; absent where it is paused and resumed by runsc's commands */
  controlSocket?: string
  /** `unknown` while a change is under way */
  paused: boolean | 'unknown'
}

export interface IncarnationPaths {
  dir: string
  record: string
  paused: string
  bundle: string
  root: string
  pipes: string
  log: string
  pidFile: string
}

export function incarnationPaths(stateDir: string, id: IncarnationId): IncarnationPaths {
  const dir = `${stateDir}/i/${id}`
  return {
    dir,
    record: `${dir}/record.json`,
    paused: `${dir}/paused`,
    bundle: `${dir}/b`,
    root: `${dir}/r`,
    pipes: `${dir}/p`,
    log: `${dir}/log`,
    pidFile: `${dir}/pid`,
  }
}

export function writeRecord(paths: IncarnationPaths, { paused, ...record }: IncarnationRecord): void {
  const temporary = `${paths.record}.new`
  writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 })
  writeFileSync(paths.paused, pausedText(paused), { mode: 0o600 })
  renameSync(temporary, paths.record)
}

/** In place: the sandbox may stand still meanwhile, and a file put in another's place can cost a millisecond. */
export function writePaused(paths: IncarnationPaths, paused: IncarnationRecord['paused']): void {
  const file = openSync(paths.paused, 'r+')
  try {
    writeSync(file, pausedText(paused), 0)
  } finally {
    closeSync(file)
  }
}

/** All of a length: one write replaces one by another, whole or not at all. */
function pausedText(paused: IncarnationRecord['paused']): string {
  return `${String(paused).padEnd(7)}\n`
}

/** `null` if the incarnation never came to life. */
export function readRecord(paths: IncarnationPaths): IncarnationRecord | null {
  try {
    const record = JSON.parse(readFileSync(paths.record, 'utf8')) as IncarnationRecord
    if (record.format !== 1) return null
    // An earlier version kept it in the record itself.
    const paused = record.paused ?? readPaused(paths)
    return { ...record, paused, network: storedNetwork(record.network) }
  } catch {
    // ENOENT, or half a file of a host that crashed: either way nothing runs by it.
    return null
  }
}

function readPaused(paths: IncarnationPaths): IncarnationRecord['paused'] {
  let text = ''
  try {
    text = readFileSync(paths.paused, 'utf8').trim()
  } catch {
    // ENOENT: its kernel is asked.
  }
  return text === 'true' ? true : text === 'false' ? false : 'unknown'
}

export function listIncarnationIds(stateDir: string): IncarnationId[] {
  return readdirSync(`${stateDir}/i`).filter(isId) as IncarnationId[]
}
