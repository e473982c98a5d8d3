import * as current from 'e2b'
import * as older from 'e2b-2.45'

export type Sdk = typeof current

/**
 * The client as it is and one of the older family of calls. What the scenarios use both have, with types that are each
 * their own and so do not fit each other.
 */
export const SDKS: readonly (readonly [string, Sdk])[] = [
  ['e2b', current],
  ['e2b 2.45', older as unknown as Sdk],
]
