import type { dialGuest } from '@spawnpoint/guest'
import type { Log } from './log.ts'

export interface GvisorOptions {
  /** Path of the runsc binary */
  runsc: string
  /** Directory for what lives no longer than the host's boot: records, pipes, runsc's state. One per server, below /run. */
  stateDir: string
  /** Directory that lasts: what is known of runsc binaries, agents by digest */
  cacheDir: string
  /** Path of the static agent program */
  agentBinary: string
  /** Directory that all servers of the host share; default /run/spawnpoint */
  serverIndexDir?: string
  /** Resolvers that guests use; default the host's own as far as guests reach them */
  dns?: readonly string[]
  /** CIDRs of private networks and of this host where web services may be asked that credential rules name; default none */
  nearServices?: readonly string[]
  log?: Log
  /** Starts and restores at once; default one per processor, at least 2 */
  restoreConcurrency?: number
  /** Network slots kept ready; default 4 */
  readySlots?: number
  timeouts?: Partial<Timeouts>
  /** Pause and resume by runsc's commands even where its kernels obey us directly */
  byCommandsOnly?: boolean
  /** Connects to the agent; default that of `@spawnpoint/guest` */
  dialGuest?: DialGuest
}

/** Milliseconds until a call of runsc is given up. Generous: a busy host is slow, and a limit that strikes costs a sandbox. */
export interface Timeouts {
  /** Start and restore; default 60,000 */
  launchMs: number
  /** Pause, resume, questions, checkpoint; default 30,000 */
  controlMs: number
  /** On top, for each GiB of memory that is written or read; default 30,000 */
  perGibMs: number
  /** Until what was sent SIGKILL is taken for something that survives it; default 20,000 */
  deathMs: number
}

export const DEFAULT_TIMEOUTS: Timeouts = { launchMs: 60_000, controlMs: 30_000, perGibMs: 30_000, deathMs: 20_000 }

/** The guest package's way in, or a stand-in for it. */
export type DialGuest = typeof dialGuest
