import { type BlockList, isIP, type LookupFunction } from 'node:net'
import { ForbiddenAddress, reachOf } from './reach.ts'

/** What an address that a user names may lead to. */
export interface Boundary {
  allows(address: string): boolean
  /** A resolver for sockets that gives allowed addresses only. */
  lookup: LookupFunction
}

export interface BoundaryOptions {
  /** Name servers; `null` where there are none */
  resolver: { resolve4(name: string): Promise<string[]> } | null
  /** IPv4 addresses of private networks, or of this machine, that are allowed all the same */
  near: BlockList
  /** Addresses that lead to this machine, whatever they look like */
  isOwn(address: string): boolean
}

/** Public IPv4 addresses that are not this machine's, and those of `near`. */
export function boundary({ resolver, near, isOwn }: BoundaryOptions): Boundary {
  // An IPv4 address has many names in IPv6.
  const allows = (address: string) =>
    isIP(address) === 4 && (near.check(address) || (!isOwn(address) && reachOf(address) === 'public'))
  const addressesOf = async (hostname: string) =>
    hostname === 'localhost' ? ['127.0.0.1'] : ((await resolver?.resolve4(hostname)) ?? [])
  return {
    allows,
    lookup: (hostname, options, done) => {
      addressesOf(hostname).then(
        (addresses) => {
          const address = addresses.find(allows)
          if (address === undefined) done(new ForbiddenAddress(hostname), '')
          else if (options.all === true) done(null, [{ address, family: 4 }])
          else done(null, address, 4)
        },
        (error: Error) => done(error, ''),
      )
    },
  }
}
