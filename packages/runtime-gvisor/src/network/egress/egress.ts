import type { IncarnationSpec } from '@spawnpoint/core'
import type { GuestEgress } from './egress-proxy.ts'

/** What an incarnation begins with. */
export function egressOf({ network, credentials = [] }: Pick<IncarnationSpec, 'network' | 'credentials'>): GuestEgress {
  return { network, intercepts: interceptsOf(credentials), credentials }
}

/** Hosts that the proxy takes the place of; in the order of the alphabet, as they are compared. */
export function interceptsOf(rules: readonly { hosts: readonly string[] }[]): string[] {
  return [...new Set(rules.flatMap(({ hosts }) => hosts))].sort()
}
