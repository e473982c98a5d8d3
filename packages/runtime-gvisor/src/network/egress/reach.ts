import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { NetworkPolicy } from '@spawnpoint/core'
import { OUTER_NETWORK } from '../addresses.ts'
import { formatRange, isReachableByGuests, parseCidrs } from '../cidr.ts'
import { namesInclude } from './domains.ts'

/** Never reached through the host: its loopback, its link-local neighbours, its guests */
const NEVER = blockList(['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4', OUTER_NETWORK])

/** What a policy lets a guest reach through the proxy. The rules of the kernel say the same for what does not pass by it. */
export class Reach {
  readonly #policy: NetworkPolicy
  readonly #allow: BlockList
  readonly #deny: BlockList

  constructor(policy: NetworkPolicy) {
    this.#policy = policy
    this.#allow = blockList(policy.allow)
    this.#deny = blockList(policy.deny)
  }

  /** Host names that lead anywhere at all, whatever their addresses. */
  byName(host: string): boolean {
    return this.#policy.internet && !this.denies(host) && namesInclude(this.#policy.allowDomains, host)
  }

  denies(host: string): boolean {
    return namesInclude(this.#policy.denyDomains ?? [], host)
  }

  /** Whether a connection may be for this name, as far as that decides: where names are denied all others are let through. */
  passes(host: string): boolean {
    const { internet, denyDomains = [] } = this.#policy
    return this.byName(host) || (internet && denyDomains.length > 0 && !this.denies(host))
  }

  /** Whether the name may lead to this address. */
  permits(host: string, address: string): boolean {
    const { internet, precedence, allow, allowDomains } = this.#policy
    if (!internet || this.denies(host) || NEVER.check(address) || hostAddresses().has(address)) return false
    const named = this.byName(host)
    // With precedence `allow` a name is what is excepted from `deny`.
    if (precedence === 'allow') return named || this.#allow.check(address) || !this.#deny.check(address)
    if (this.#deny.check(address)) return false
    return named || (allow.length === 0 && allowDomains.length === 0) || this.#allow.check(address)
  }

  /** Whether name servers may be asked, for what is none of the server's own. */
  asksNames(resolvers: readonly string[]): boolean {
    const { internet, precedence, allow, allowDomains } = this.#policy
    if (!internet) return false
    if (allowDomains.length > 0) return true
    return resolvers.filter(isReachableByGuests).some((address) => {
      if (precedence === 'allow') return this.#allow.check(address) || !this.#deny.check(address)
      return !this.#deny.check(address) && (allow.length === 0 || this.#allow.check(address))
    })
  }
}

function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of parseCidrs(cidrs, 'network').map(formatRange)) {
    const [first = '', last = first] = range.split('-')
    list.addRange(first, last)
  }
  return list
}

/** The host's own: what is behind them is for the host alone, as for any packet of a guest. */
function hostAddresses(): Set<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []))
}
