import { type Boundary, type BoundaryOptions, boundary } from '@spawnpoint/outbound'
import { blockList } from '../cidr.ts'
import { isHosts } from './reach.ts'

/**
 * Where the services are that users name: web services that are asked for what goes into requests, hosts that requests go to
 * instead of another. `near` are CIDRs of private networks, or of this machine, where they may be.
 */
export function servicesBoundary(resolver: BoundaryOptions['resolver'], near: readonly string[]): Boundary {
  return boundary({ resolver, near: blockList(near, 'near'), isOwn: isHosts })
}
