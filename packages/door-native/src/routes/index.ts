import type { DoorContext } from '../door-context.ts'
import type { AnyRoute } from '../route.ts'
import { blobRoutes } from './blobs.ts'
import { browseRoutes } from './browse.ts'
import { compareRoutes } from './compare.ts'
import { eventRoutes } from './events.ts'
import { fileRoutes } from './files.ts'
import { imageRoutes } from './images.ts'
import { keyRoutes } from './keys.ts'
import { nameRoutes } from './names.ts'
import { operationRoutes } from './operations.ts'
import { portRoutes } from './ports.ts'
import { processSocketRoute } from './process-socket.ts'
import { processRoutes } from './processes.ts'
import { registryRoutes } from './registries.ts'
import { sandboxRoutes } from './sandboxes.ts'
import { scheduleRoutes } from './schedules.ts'
import { secretRoutes } from './secrets.ts'
import { serverRoutes } from './server.ts'
import { snapshotRoutes } from './snapshots.ts'
import { storageRoutes } from './storage.ts'
import { teamRoutes } from './teams.ts'
import { trashRoutes } from './trash.ts'
import { usageRoutes } from './usage.ts'
import { verificationRoutes } from './verification.ts'
import { volumeRoutes } from './volumes.ts'

/** Every route of the native API, in the order of its documentation. */
export function nativeRoutes(context: DoorContext): AnyRoute[] {
  return [
    ...sandboxRoutes(context),
    ...snapshotRoutes(context),
    ...trashRoutes(context),
    ...verificationRoutes(context),
    ...browseRoutes(context),
    ...compareRoutes(context),
    ...scheduleRoutes(context),
    ...imageRoutes(context),
    ...registryRoutes(context),
    ...secretRoutes(context),
    ...volumeRoutes(context),
    ...nameRoutes(context),
    ...blobRoutes(context),
    ...processRoutes(context),
    processSocketRoute(),
    ...fileRoutes(context),
    ...portRoutes(context),
    ...operationRoutes(context),
    ...eventRoutes(context),
    ...keyRoutes(context),
    ...usageRoutes(context),
    ...storageRoutes(context),
    ...teamRoutes(context),
    ...serverRoutes(context),
  ]
}
