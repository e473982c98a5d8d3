import type { AgentStore } from './agent-store.ts'
import type { Cgroups } from './cgroup/cgroups.ts'
import type { ExitWatch } from './exit-watch.ts'
import type { Log } from './log.ts'
import type { SlotPool } from './network/slot-pool.ts'
import type { DialGuest, Timeouts } from './options.ts'
import type { PipeStock } from './pipes.ts'
import type { Runsc } from './runsc.ts'
import type { Survivors } from './survivors.ts'

/** What all incarnations of one server share. */
export interface Host {
  stateDir: string
  runsc: Runsc
  cgroups: Cgroups
  slots: SlotPool
  pipes: PipeStock
  agents: AgentStore
  watch: ExitWatch<string>
  survivors: Survivors
  dialGuest: DialGuest
  timeouts: Timeouts
  /** Kernels are given orders directly */
  givesOrders: boolean
  log: Log
  /** Work that no caller waits for; `close` does, and failures are logged */
  behind(work: Promise<void>): void
}
