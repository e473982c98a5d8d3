import type { AnyRoute } from '@spawnpoint/door-kit'
import type { DoorContext } from './door-context.ts'
import { novitaRoutes } from './novita/index.ts'
import { secretRoutes } from './routes/secrets.ts'

/**
 * What the two vendors' clients of one protocol differ in is here and in `novita/`, and nowhere else. All that Novita has
 * for itself are calls, and fields that E2B's clients never send; whatever both have is the same.
 */
export interface Dialect {
  name: 'e2b' | 'novita'
  /** Calls of its own */
  routes(context: DoorContext): AnyRoute[]
}

export const E2B: Dialect = { name: 'e2b', routes: secretRoutes }
export const NOVITA: Dialect = { name: 'novita', routes: novitaRoutes }
