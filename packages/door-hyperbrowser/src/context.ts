import type { SpawnpointApi } from '@spawnpoint/core'
import type { Log } from '@spawnpoint/door-kit'
import type { Recorders } from './runtime/recorders.ts'
import type { Watches } from './runtime/watches.ts'

/** What every route works with. */
export interface DoorContext {
  api: SpawnpointApi
  log: Log
  /** `host[:port]` under which sandboxes have names of their own; `null` if there is none */
  domain: string | null
  recorders: Recorders
  watches: Watches
}
