import { BlockList, isIP, isIPv4 } from 'node:net'
import { invalidArgument, splitPort } from '@spawnpoint/core'

/** IPv4 addresses as numbers, both ends included. */
export interface AddressRange {
  first: number
  last: number
}

/**
 * Parses addresses and CIDRs and joins what touches or overlaps, in rising order. IPv6 ones are checked and left out:
 * guests have no IPv6. Rejects `invalid_argument`, naming `path`.
 */
export function parseCidrs(cidrs: readonly string[], path: string): AddressRange[] {
  const ranges = cidrs.flatMap((cidr, index) => parseCidr(cidr, `${path}[${index}]`) ?? [])
  ranges.sort((a, b) => a.first - b.first)
  const joined: AddressRange[] = []
  for (const range of ranges) {
    const before = joined.at(-1)
    if (before && range.first <= before.last + 1) before.last = Math.max(before.last, range.last)
    else joined.push({ ...range })
  }
  return joined
}

/** Addresses and CIDRs that are meant whole, and those of one TCP port (`10.0.0.0/8:22`) by that port. */
export function splitCidrs(entries: readonly string[]): { whole: string[]; byPort: Map<number, string[]> } {
  const whole: string[] = []
  const byPort = new Map<number, string[]>()
  for (const entry of entries) {
    const [cidr, port] = splitPort(entry)
    if (port === null) whole.push(cidr)
    else byPort.set(port, [...(byPort.get(port) ?? []), cidr])
  }
  return { whole, byPort }
}

function parseCidr(cidr: string, path: string): AddressRange | null {
  const [address = '', prefix, ...rest] = cidr.split('/')
  const version = isIP(address)
  const bits = version === 6 ? 128 : 32
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1
  if (version === 0 || rest.length > 0 || length < 0 || length > bits) {
    throw invalidArgument(path, `not an address or CIDR: ${cidr.slice(0, 80)}`)
  }
  if (version === 6) return null
  const size = 2 ** (32 - length)
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const first = Math.floor(number / size) * size
  return { first, last: first + size - 1 }
}

/** Rejects `invalid_argument`, naming `path`. */
export function blockList(cidrs: readonly string[], path: string): BlockList {
  const list = new BlockList()
  for (const { first, last } of parseCidrs(cidrs, path)) list.addRange(formatAddress(first), formatAddress(last))
  return list
}

/** As nft writes it: `1.2.3.4` or `1.2.3.0-1.2.3.255`. */
export function formatRange({ first, last }: AddressRange): string {
  return first === last ? formatAddress(first) : `${formatAddress(first)}-${formatAddress(last)}`
}

function formatAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}

/** Addresses that a guest's packets can go to: IPv4, and not the host's own loopback. */
export function isReachableByGuests(address: string): boolean {
  return isIPv4(address) && !address.startsWith('127.') && address !== '0.0.0.0'
}
