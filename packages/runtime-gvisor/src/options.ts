import type { openGuest } from '@spawnpoint/guest'
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
  log?: Log
  /** Starts and restores at once; default one per processor, at least 2 */
  restoreConcurrency?: number
  /** Network slots kept ready; default 4 */
  readySlots?: number
  /** Connects to the agent; default that of `@spawnpoint/guest` */
  openGuest?: OpenGuest
}

/** The guest package's way in, or a stand-in for it. */
export type OpenGuest = typeof openGuest
