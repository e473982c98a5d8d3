import type { NetworkPolicy } from './model.ts'

/** Everything outside can be reached; what a sandbox starts with. */
export const OPEN_NETWORK: NetworkPolicy = {
  internet: true,
  allow: [],
  deny: [],
  allowDomains: [],
  precedence: 'deny',
}

/** As stored, where policies from before a field was there have none. */
export function storedNetwork(stored: Partial<NetworkPolicy>): NetworkPolicy {
  return { ...OPEN_NETWORK, ...stored }
}
