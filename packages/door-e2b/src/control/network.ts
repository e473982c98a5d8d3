import { isIP } from 'node:net'
import { type IngressPolicy, invalidArgument, type NetworkPolicy, type Sandbox } from '@spawnpoint/core'

const ALL_TRAFFIC = '0.0.0.0/0'

export interface EgressRequest {
  allowOut?: string[] | undefined
  denyOut?: string[] | undefined
  allowInternetAccess?: boolean | undefined
}

/** What may be reached: all but what `denyOut` names, of which `allowOut` makes exceptions, by address or by host name. */
export function egressOf({ allowOut = [], denyOut = [], allowInternetAccess }: EgressRequest): NetworkPolicy {
  const internet = allowInternetAccess ?? true
  const allow = allowOut.filter(isAddress)
  const allowDomains = allowOut.filter((entry) => !isAddress(entry))
  const deny = internet || denyOut.includes(ALL_TRAFFIC) ? denyOut : [...denyOut, ALL_TRAFFIC]
  if (allowDomains.length > 0 && !deny.includes(ALL_TRAFFIC)) {
    throw invalidArgument('network.allowOut', `with a host name in it, denyOut must have ${ALL_TRAFFIC}`)
  }
  const named = denyOut.find((entry) => !isAddress(entry))
  if (named !== undefined) {
    throw invalidArgument('network.denyOut', `not an address or CIDR: ${named.slice(0, 100)}`)
  }
  if (!internet && allowOut.length === 0) {
    return { internet: false, allow: [], allowDomains: [], deny: [], precedence: 'allow' }
  }
  return { internet: true, allow, allowDomains, deny, precedence: 'allow' }
}

function isAddress(entry: string): boolean {
  return isIP(entry.split('/', 1)[0] ?? '') !== 0
}

export interface NetworkJson {
  allowOut?: string[]
  denyOut?: string[]
  allowPublicTraffic?: boolean
  maskRequestHost?: string
}

/** The policies in this protocol's words; `undefined` where they are what everybody gets. */
export function networkJson({ network, ingress }: Pick<Sandbox, 'network' | 'ingress'>): NetworkJson | undefined {
  const json = { ...egressJson(network), ...ingressJson(ingress) }
  return Object.keys(json).length === 0 ? undefined : json
}

function egressJson({ internet, allow, allowDomains, deny, precedence }: NetworkPolicy): NetworkJson {
  const allowOut = [...allow.map(shortened), ...allowDomains]
  // Where denials come first, an allowance means that all else is denied.
  const closed = !internet || (precedence === 'deny' && allowOut.length > 0)
  const denyOut = closed ? [ALL_TRAFFIC] : deny.map(shortened)
  return {
    ...(internet && allowOut.length > 0 ? { allowOut } : {}),
    ...(denyOut.length > 0 ? { denyOut } : {}),
  }
}

function ingressJson(ingress: IngressPolicy): NetworkJson {
  return {
    ...(isPublic(ingress) ? {} : { allowPublicTraffic: false }),
    ...(ingress.hostHeader === null ? {} : { maskRequestHost: ingress.hostHeader }),
  }
}

/** Anybody reaches the ports of programs. */
export function isPublic(ingress: IngressPolicy): boolean {
  return ingress.default === 'open'
}

/** An address alone is how it was most likely given. */
function shortened(cidr: string): string {
  return cidr.endsWith('/32') ? cidr.slice(0, -3) : cidr
}
