import type { Reach } from './reach.ts'

/**
 * Where one conversation with a host that a user has named may lead: to no address nearer than the one that answered first, whether
 * that host sends us on or its own name comes to mean another address.
 */
export class Trail {
  #reach: Reach | null = null

  /** Of the host that was named, or of one that it has sent us on to. */
  nearest(isNamed: boolean): Reach {
    return this.#reach ?? (isNamed ? 'loopback' : 'public')
  }

  /** Tells of an answer of the host that was named. */
  answered({ reach }: { reach: Reach }): void {
    this.#reach ??= reach
  }
}

/** The address in a `Location`, without what proves who asks; `null` for what is not HTTP, or worse than what we came from. */
export function nextHop(from: URL, location: string): URL | null {
  const next = URL.parse(location, from.href)
  const isAsGood = next?.protocol === 'https:' || (next?.protocol === 'http:' && from.protocol === 'http:')
  if (next === null || !isAsGood) return null
  next.username = ''
  next.password = ''
  return next
}
