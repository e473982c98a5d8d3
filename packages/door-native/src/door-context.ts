import type { SpawnpointApi } from '@spawnpoint/core'
import type { ImageNames } from './image-names.ts'
import type { Log } from './log.ts'

/** What every route works with. */
export interface DoorContext {
  api: SpawnpointApi
  log: Log
  imageNames: ImageNames
  /** Streams that are open now; the door ends them when the server closes. */
  openStreams: Set<AbortController>
}
