import type { SpawnpointApi } from '@spawnpoint/core'
import type { Builds } from './build-start.ts'
import type { Dialect } from './dialect.ts'

/** What every route works with. */
export interface DoorContext {
  api: SpawnpointApi
  dialect: Dialect
  /** Path that the calls are below */
  prefix: string
  /** `host[:port]` under which sandboxes have names of their own; `null` if there is none */
  domain: string | null
  builds: Builds
}
