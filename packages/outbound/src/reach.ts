import { lookup as resolveName } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/**
 * How far an address is from this host. Who is asked may send us on (a redirect, a token service) to an address at most as
 * near as its own: what a stranger's server answers must not make this one ask its own machine or network.
 */
export type Reach = 'public' | 'private' | 'loopback'

const NEARNESS: Record<Reach, number> = { public: 0, private: 1, loopback: 2 }

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

const local = new BlockList()
for (const [net, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['198.18.0.0', 15],
] as const)
  local.addSubnet(net, bits, 'ipv4')
local.addSubnet('fc00::', 7, 'ipv6')

/** Nothing that is asked is there, but a cloud's metadata service is. */
const never = new BlockList()
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
] as const)
  never.addSubnet(net, bits, 'ipv4')
never.addAddress('::', 'ipv6')
never.addSubnet('fe80::', 10, 'ipv6')
never.addSubnet('ff00::', 8, 'ipv6')
// Some clouds have their metadata services, or what hands machines their secrets, at other addresses.
never.addAddress('fd00:ec2::254', 'ipv6')
for (const address of ['100.100.100.200', '168.63.129.16', '192.0.0.192']) never.addAddress(address, 'ipv4')

/** `null` for an address that is never asked. */
export function reachOf(address: string): Reach | null {
  const plain = embeddedIPv4(address.replace(/^\[|\]$/g, '').replace(/%.*$/, ''))
  const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4'
  if (isIP(plain) === 0 || never.check(plain, family)) return null
  if (loopback.check(plain, family)) return 'loopback'
  return local.check(plain, family) ? 'private' : 'public'
}

export function allows(nearest: Reach, address: string): boolean {
  const reach = reachOf(address)
  return reach !== null && NEARNESS[reach] <= NEARNESS[nearest]
}

/** A resolver for sockets that gives allowed addresses only. */
export function lookupWithin(nearest: Reach): LookupFunction {
  return (hostname, options, callback) => {
    resolveName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const allowed = addresses.filter(({ address }) => allows(nearest, address))
      const [first] = allowed
      if (first === undefined) return callback(new ForbiddenAddress(hostname), [])
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}

export class ForbiddenAddress extends Error {
  readonly host: string

  constructor(host: string) {
    super(`${host} is at an address that is not asked`)
    this.host = host
  }
}

/** An IPv4 address that is written as IPv6 counts as what it is. */
function embeddedIPv4(address: string): string {
  if (isIP(address) !== 6) return address
  const dotted = /^(?:::ffff:|64:ff9b::)(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (dotted !== undefined) return dotted
  const [, high, low] = /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address) ?? []
  if (high === undefined || low === undefined) return address
  const [h, l] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return `${h >> 8}.${h & 255}.${l >> 8}.${l & 255}`
}
