import type { AnyRoute } from '@spawnpoint/door-kit'
import type { DoorContext } from '../door-context.ts'
import { absentRoutes, accountRoutes } from './account.ts'
import { buildRoutes } from './builds.ts'
import { forkRoutes } from './fork.ts'
import { listRoutes } from './lists.ts'
import { metricsRoutes } from './metrics.ts'
import { sandboxRoutes } from './sandboxes.ts'
import { snapshotRoutes } from './snapshots.ts'
import { templateRoutes } from './templates.ts'
import { volumeContentRoutes } from './volume-content.ts'
import { volumeRoutes } from './volumes.ts'

/** Every call of the control plane in this context's dialect. */
export function controlRoutes(context: DoorContext): AnyRoute[] {
  return [
    ...sandboxRoutes(context),
    ...listRoutes(context),
    ...forkRoutes(context),
    ...metricsRoutes(context),
    ...snapshotRoutes(context),
    ...templateRoutes(context),
    ...buildRoutes(context),
    ...accountRoutes(context),
    ...volumeRoutes(context),
    ...volumeContentRoutes(context),
    ...absentRoutes(context),
    ...context.dialect.routes(context),
  ]
}
