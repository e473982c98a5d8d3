import type { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'
import { HostList, type NetworkPolicy } from '@spawnpoint/core'
import { METADATA_NETWORKS, OUTER_NETWORK } from '../addresses.ts'
import { blockList, isReachableByGuests, splitCidrs } from '../cidr.ts'

/** Never reached through the host: its loopback, its link-local neighbours, its cloud, its guests */
const NEVER = blockList(
  ['0.0.0.0/8', '127.0.0.0/8', ...METADATA_NETWORKS, '224.0.0.0/4', '240.0.0.0/4', OUTER_NETWORK],
  'never',
)

/** What a policy lets a guest reach through the proxy. The rules of the kernel say the same for what does not pass by it. */
export class Reach {
  readonly policy: NetworkPolicy
  readonly #allow: Addresses
  readonly #deny: Addresses
  readonly #allowed: HostList
  readonly #denied: HostList

  constructor(policy: NetworkPolicy) {
    this.policy = policy
    this.#allow = new Addresses(policy.allow)
    this.#deny = new Addresses(policy.deny)
    this.#allowed = new HostList(policy.allowDomains)
    this.#denied = new HostList(policy.denyDomains ?? [])
  }

  /** Host names that lead anywhere at all on this port, whatever their addresses. */
  byName(host: string, port: number): boolean {
    return this.policy.internet && !this.#denied.has(host, port) && this.#allowed.has(host, port)
  }

  /** Whether nobody is told of this name. */
  hides(host: string): boolean {
    return this.#denied.hasWhole(host)
  }

  /** Ports of this name that are opened for the addresses that it has, as there is no telling names apart on them. */
  openedPorts(host: string): number[] {
    return this.policy.internet && !this.hides(host) ? this.#allowed.otherPorts(host) : []
  }

  /** Whether a connection may be for this name, as far as that decides: where names are denied all others are let through. */
  passes(host: string, port: number): boolean {
    const { internet, denyDomains = [] } = this.policy
    return this.byName(host, port) || (internet && denyDomains.length > 0 && !this.#denied.has(host, port))
  }

  /** Whether a guest may ask for this name, wherever its requests are then sent. */
  mayAskFor(host: string, port: number): boolean {
    const { internet, precedence, allow, allowDomains, deny } = this.policy
    if (!internet || this.#denied.has(host, port)) return false
    if (this.byName(host, port)) return true
    return precedence === 'allow' ? deny.length === 0 : allow.length === 0 && allowDomains.length === 0
  }

  /** Whether nothing of the guest's goes to this address by this name, also where somebody else names it. */
  denies(host: string, address: string, port: number): boolean {
    const { internet, precedence } = this.policy
    if (!internet || this.#denied.hasWhole(host) || this.#denied.has(host, port)) return true
    const excepted = precedence === 'allow' && (this.byName(host, port) || this.#allow.has(address, port))
    return this.#deny.has(address, port) && !excepted
  }

  /** Whether the name may lead to this address, on a TCP port. */
  permits(host: string, address: string, port: number): boolean {
    const { internet, precedence, allow, allowDomains } = this.policy
    if (!internet || this.#denied.has(host, port) || isHosts(address)) return false
    const named = this.byName(host, port)
    // With precedence `allow` a name is what is excepted from `deny`.
    if (precedence === 'allow') return named || this.#allow.has(address, port) || !this.#deny.has(address, port)
    if (this.#deny.has(address, port)) return false
    return named || (allow.length === 0 && allowDomains.length === 0) || this.#allow.has(address, port)
  }

  /** Whether name servers may be asked, for what is none of the server's own. */
  asksNames(resolvers: readonly string[]): boolean {
    const { internet, precedence, allow, allowDomains } = this.policy
    if (!internet) return false
    if (allowDomains.length > 0) return true
    return resolvers.filter(isReachableByGuests).some((address) => {
      if (precedence === 'allow') return this.#allow.has(address, null) || !this.#deny.has(address, null)
      return !this.#deny.has(address, null) && (allow.length === 0 || this.#allow.has(address, null))
    })
  }
}

class Addresses {
  readonly #whole: BlockList
  readonly #byPort: Map<number, BlockList>

  constructor(entries: readonly string[]) {
    const { whole, byPort } = splitCidrs(entries)
    this.#whole = blockList(whole, 'network')
    this.#byPort = new Map([...byPort].map(([port, cidrs]) => [port, blockList(cidrs, 'network')]))
  }

  /** `null` for what is of no TCP port. */
  has(address: string, port: number | null): boolean {
    if (this.#whole.check(address)) return true
    return port !== null && (this.#byPort.get(port)?.check(address) ?? false)
  }
}

/** Addresses that nothing is asked at in a guest's name: the host's own, and what is not one host somewhere else. */
export function isHosts(address: string): boolean {
  return NEVER.check(address) || hostAddresses().has(address)
}

/** The host's own: what is behind them is for the host alone, as for any packet of a guest. */
function hostAddresses(): Set<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []))
}
