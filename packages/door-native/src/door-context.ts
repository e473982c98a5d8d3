import type { SpawnpointApi } from '@spawnpoint/core'
import type { ImageNames } from './image-names.ts'
import type { Log } from './log.ts'

/** What clients may know of the server. */
export interface ServerFacts {
  version: string
  /** `host[:port]` below which ports of sandboxes have addresses of their own; `null` for none but `localhost` */
  domain: string | null
}

/** What every route works with. */
export interface DoorContext {
  api: SpawnpointApi
  log: Log
  imageNames: ImageNames
  server: ServerFacts
  /** Streams that are open now; the door ends them when the server closes. */
  openStreams: Set<AbortController>
}
