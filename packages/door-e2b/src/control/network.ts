import { isIP } from 'node:net'
import { type IngressPolicy, invalidArgument, type NetworkPolicy, type Sandbox } from '@spawnpoint/core'
import { type Rules, rulesJson } from './network-rules.ts'

const ALL_TRAFFIC = '0.0.0.0/0'

export interface EgressRequest {
  allowOut?: string[] | undefined
  denyOut?: string[] | undefined
  allowInternetAccess?: boolean | undefined
  /** Addresses that may be reached where `allowOut` has a host name; names are found without them */
  dnsServers?: string[] | undefined
  rules?: Rules | undefined
}

/** What may be reached: all but what `denyOut` names, of which `allowOut` makes exceptions, by address or by host name. */
export function egressOf(asked: EgressRequest): NetworkPolicy {
  const { allowOut = [], denyOut = [], allowInternetAccess, dnsServers = [], rules } = asked
  const internet = allowInternetAccess ?? true
  const allowDomains = allowOut.filter((entry) => !isAddress(entry))
  const servers = allowDomains.length === 0 ? [] : dnsServers.filter((one) => !allowOut.includes(one))
  const allow = [...allowOut.filter(isAddress), ...servers]
  const deny = internet || denyOut.includes(ALL_TRAFFIC) ? denyOut : [...denyOut, ALL_TRAFFIC]
  // Of hosts with rules it is said so as a matter of course.
  const bare = allowDomains.filter((host) => !Object.hasOwn(rules ?? {}, host))
  if (bare.length > 0 && !deny.includes(ALL_TRAFFIC)) {
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
  httpsPorts?: number[]
  rules?: ReturnType<typeof rulesJson>
}

/** The policies in this protocol's words; `undefined` where they are what everybody gets. */
export function networkJson(sandbox: Pick<Sandbox, 'network' | 'ingress' | 'credentials'>): NetworkJson | undefined {
  const rules = rulesJson(sandbox.credentials)
  const json = {
    ...egressJson(sandbox.network),
    ...ingressJson(sandbox.ingress),
    ...(rules === undefined ? {} : { rules }),
  }
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

function ingressJson({ hostHeader, tlsPorts = [], ...ingress }: IngressPolicy): NetworkJson {
  return {
    ...(ingress.default === 'open' ? {} : { allowPublicTraffic: false }),
    ...(hostHeader === null ? {} : { maskRequestHost: hostHeader }),
    ...(tlsPorts.length === 0 ? {} : { httpsPorts: tlsPorts }),
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
