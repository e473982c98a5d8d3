import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { IncarnationId, NetworkPolicy, Resources } from '@spawnpoint/core'
import { isId, storedNetwork } from '@spawnpoint/core'
import type { FrozenSpec } from './bundle.ts'
import type { HostProcess } from './host-process.ts'

/**
 * What the driver has to know of an incarnation after a restart of the server, in its directory:
 *
 *     i/ID/record.json   this; written once the incarnation runs, so one without it never came to life
 *     i/ID/b/config.json OCI bundle
 *     i/ID/r/            state of runsc
 *     i/ID/p/in|out|err  named pipes
 *     i/ID/log           what runsc said when it gave up
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
    bundle: `${dir}/b`,
    root: `${dir}/r`,
    pipes: `${dir}/p`,
    log: `${dir}/log`,
    pidFile: `${dir}/pid`,
  }
}

export function writeRecord(paths: IncarnationPaths, record: IncarnationRecord): void {
  const temporary = `${paths.record}.new`
  writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 })
  renameSync(temporary, paths.record)
}

/** `null` if the incarnation never came to life. */
export function readRecord(paths: IncarnationPaths): IncarnationRecord | null {
  try {
    const record = JSON.parse(readFileSync(paths.record, 'utf8')) as IncarnationRecord
    return record.format === 1 ? { ...record, network: storedNetwork(record.network) } : null
  } catch {
    // ENOENT, or half a file of a host that crashed: either way nothing runs by it.
    return null
  }
}

export function listIncarnationIds(stateDir: string): IncarnationId[] {
  return readdirSync(`${stateDir}/i`).filter(isId) as IncarnationId[]
}
