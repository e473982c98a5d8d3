import * as current from 'e2b'
import * as older from 'e2b-2.45'
import type { Way } from '../vendor-world.ts'

export type Sdk = typeof current

/**
 * The client as it is, both ways of reaching the server, and one of the older family of calls. What the scenarios use all have,
 * with types that are each their own and so do not fit each other.
 */
export const SDKS: readonly (readonly [string, Sdk, Way])[] = [
  ['e2b', current, 'plain'],
  ['e2b over TLS', current, 'tls'],
  ['e2b 2.45', older as unknown as Sdk, 'plain'],
]
