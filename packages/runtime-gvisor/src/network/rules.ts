import { HostList, invalidArgument, type NetworkPolicy } from '@spawnpoint/core'
import {
  GATEWAY_ADDRESS,
  GUEST_ADDRESS,
  linkName,
  linkPrefix,
  METADATA_NETWORKS,
  OUTER_NETWORK,
  outerAddress,
  proxyAddress,
  serverNetwork,
  tableName,
} from './addresses.ts'
import { formatRange, isReachableByGuests, parseCidrs, splitCidrs } from './cidr.ts'

const METADATA = `{ ${METADATA_NETWORKS.join(', ')} }`
const MAX_CIDRS = 1_000
/** How long a port that a name was given stays open without use, and how many of one slot */
const OPEN_FOR = '1h'
const MAX_OPENED = 1_024
/** Where container engines and hypervisors keep what only the host should reach: Docker, Podman, CNI, libvirt, LXC, LXD, Incus */
const HOSTS_OWN_BRIDGES = ['docker*', 'br-*', 'podman*', 'cni*', 'virbr*', 'lxcbr*', 'lxdbr*', 'incusbr*']

export function samePolicy(a: NetworkPolicy, b: NetworkPolicy): boolean {
  return (
    a.internet === b.internet &&
    a.precedence === b.precedence &&
    a.allow.join() === b.allow.join() &&
    a.deny.join() === b.deny.join() &&
    a.allowDomains.join() === b.allowDomains.join() &&
    (a.denyDomains ?? []).join() === (b.denyDomains ?? []).join()
  )
}

/** Rules of one slot, one a line: what may pass, and what the proxy takes over because its name decides. */
export interface SlotRules {
  forward: string
  /** Empty where no names are in the policy */
  proxied: string
  /** What is in the slot's set of addresses and ports passes before all else */
  opensPorts: boolean
}

/**
 * The whole rule set of a server, replacing an older one in a single transaction.
 *
 *     guest ─► ingress of its link: only its own address may be the source, which becomes the outer one (no state)
 *           ─► prerouting: what a policy allows by name goes to the proxy, which looks at the name; so do questions for names
 *              where it takes the place of hosts
 *           ─► forward: other sandboxes and the host's containers no, then the slot's policy ─► masqueraded by the host's address
 *           ─► input: nothing but answers and what prerouting sent to the proxy
 *     host  ─► outer address ─► egress of the link: becomes the inner address (no state)
 */
export function serverRules(server: number, slots: readonly (readonly [slot: number, rules: SlotRules])[]): string {
  const table = tableName(server)
  const links = `"${linkPrefix(server)}*"`
  return [
    ...removeServer(server),
    `table netdev ${table} {}`,
    `table inet ${table} {
      map slots { type ifname : verdict; }
      map proxied { type ifname : verdict; }
      chain refuse {
        meta l4proto tcp reject with tcp reset
        drop
      }
      chain forward {
        type filter hook forward priority filter - 10; policy accept;
        iifname ${links} ip daddr ${OUTER_NETWORK} goto refuse
        iifname ${links} ct status dnat goto refuse
        ${HOSTS_OWN_BRIDGES.map((name) => `iifname ${links} oifname "${name}" goto refuse`).join('\n        ')}
        iifname ${links} ip version 4 iifname vmap @slots
        iifname ${links} drop
        oifname ${links} ct state established,related accept
        oifname ${links} drop
      }
      chain input {
        type filter hook input priority filter - 10; policy accept;
        iifname ${links} ct state established,related accept
        iifname ${links} ip daddr ${proxyAddress(server)} ct status dnat accept
        iifname ${links} goto refuse
        ip daddr ${proxyAddress(server)} iifname != lo drop
      }
      chain prerouting {
        type nat hook prerouting priority dstnat - 10; policy accept;
        iifname ${links} meta l4proto { tcp, udp } iifname vmap @proxied
      }
      chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr ${serverNetwork(server)} oifname != ${links} masquerade
      }
    }`,
    ...slots.flatMap(([slot, rules]) => addSlot(server, slot, rules)),
  ].join('\n')
}

/** Statements that also succeed where there is nothing to remove. */
export function removeServer(server: number): string[] {
  return ['netdev', 'inet'].flatMap((family) => [
    `table ${family} ${tableName(server)} {}`,
    `delete table ${family} ${tableName(server)}`,
  ])
}

/** Preconditions: the slot's link exists. */
export function addSlot(server: number, slot: number, rules: SlotRules): string[] {
  const table = tableName(server)
  const link = linkName(server, slot)
  const outer = outerAddress(server, slot)
  return [
    `add chain netdev ${table} in_${slot} { type filter hook ingress device "${link}" priority -150; policy drop; }`,
    `add rule netdev ${table} in_${slot} ip saddr ${GUEST_ADDRESS} ip saddr set ${outer} accept`,
    `add rule netdev ${table} in_${slot} ether type arp accept`,
    `add chain netdev ${table} out_${slot} { type filter hook egress device "${link}" priority 150; policy accept; }`,
    `add rule netdev ${table} out_${slot} ip daddr ${outer} ip daddr set ${GUEST_ADDRESS}`,
    `add set inet ${table} ${opened(slot)} { type ipv4_addr . inet_service; flags dynamic,timeout; timeout ${OPEN_FOR}; size ${MAX_OPENED}; }`,
    `add chain inet ${table} slot_${slot}`,
    `add chain inet ${table} proxied_${slot}`,
    ...slotRules(server, slot, rules),
    `add element inet ${table} slots { "${link}" : jump slot_${slot} }`,
    `add element inet ${table} proxied { "${link}" : jump proxied_${slot} }`,
  ]
}

export function removeSlot(server: number, slot: number): string[] {
  const table = tableName(server)
  return [
    `delete element inet ${table} slots { "${linkName(server, slot)}" }`,
    `delete element inet ${table} proxied { "${linkName(server, slot)}" }`,
    ...['slot', 'proxied'].flatMap((chain) => [
      `flush chain inet ${table} ${chain}_${slot}`,
      `delete chain inet ${table} ${chain}_${slot}`,
    ]),
    `delete set inet ${table} ${opened(slot)}`,
    `delete chain netdev ${table} in_${slot}`,
    `delete chain netdev ${table} out_${slot}`,
  ]
}

/** Replaces the policy of a slot; `rules` comes from `policyRules`. */
export function slotRules(server: number, slot: number, rules: SlotRules): string[] {
  const replaced = (chain: string, lines: string) => [
    `flush chain inet ${tableName(server)} ${chain}_${slot}`,
    ...(lines === ''
      ? []
      : lines.split('\n').map((rule) => `add rule inet ${tableName(server)} ${chain}_${slot} ${rule}`)),
  ]
  // Each use counts for the time that a port stays open.
  const entry = `${opened(slot)} { ip daddr . tcp dport timeout ${OPEN_FOR} }`
  const forward = rules.opensPorts
    ? [`ip daddr . tcp dport @${opened(slot)} update @${entry} accept`, rules.forward].join('\n')
    : rules.forward
  return [...replaced('slot', forward), ...replaced('proxied', rules.proxied)]
}

/** Lets a slot whose rules open ports reach these. */
export function openedPorts(server: number, slot: number, address: string, ports: readonly number[]): string[] {
  return ports.map((port) => `add element inet ${tableName(server)} ${opened(slot)} { ${address} . ${port} }`)
}

export function shutPorts(server: number, slot: number): string[] {
  return [`flush set inet ${tableName(server)} ${opened(slot)}`]
}

/** Addresses and ports that names of the policy were found at. */
function opened(slot: number): string {
  return `opened_${slot}`
}

export interface PolicyContext {
  /** Resolvers that guests use; reachable on port 53 even where metadata servers answer for names too */
  dns: readonly string[]
  /** Where the proxy listens */
  proxy: ProxyEndpoint
  /** The proxy takes the place of hosts, and says of their names that it is there */
  intercepts?: boolean
}

export interface ProxyEndpoint {
  address: string
  /** For HTTP on port 80 */
  httpPort: number
  /** For TLS on port 443 */
  tlsPort: number
  /** For questions for names */
  namesUdpPort: number
  namesTcpPort: number
}

/**
 * A policy as rules. They hold for connections that exist already, too; TCP is refused instead of dropped, so that
 * programs need not wait. An allow list of addresses holds for the resolvers as well: names are a way out like any other;
 * one of names lets them be asked, what else could they be for. Rejects `invalid_argument`.
 */
export function policyRules(policy: NetworkPolicy, context: PolicyContext): SlotRules {
  const { forward: passing, proxied } = policyRulesAlone(policy, context)
  const forward = policy.internet ? [...refusedWithNames(policy), passing].join('\n') : passing
  const takesOver = context.intercepts === true
  const opensPorts = policy.internet && new HostList(policy.allowDomains).hasOtherPorts
  if (!policy.internet || (!takesOver && !deniesNames(policy) && !opensPorts)) return { forward, proxied, opensPorts }
  const { address, httpPort, tlsPort, namesUdpPort, namesTcpPort } = context.proxy
  const intercepted = [
    `udp dport 53 dnat ip to ${address}:${namesUdpPort}`,
    `tcp dport 53 dnat ip to ${address}:${namesTcpPort}`,
    // Where the proxy tells guests that the hosts are.
    ...(takesOver
      ? [
          `ip daddr ${GATEWAY_ADDRESS} tcp dport 80 dnat ip to ${address}:${httpPort}`,
          `ip daddr ${GATEWAY_ADDRESS} tcp dport 443 dnat ip to ${address}:${tlsPort}`,
        ]
      : []),
  ]
  return { forward, proxied: [...intercepted, ...(proxied === '' ? [] : [proxied])].join('\n'), opensPorts }
}

function policyRulesAlone(policy: NetworkPolicy, context: PolicyContext): { forward: string; proxied: string } {
  const deny = addressSet(policy.deny, 'network.deny')
  const allow = addressSet(policy.allow, 'network.allow')
  const byName = policy.allowDomains.length > 0
  if (!policy.internet) return { forward: 'goto refuse', proxied: '' }
  const resolvers = [...new Set(context.dns.filter(isReachableByGuests))]
  const askNames =
    resolvers.length > 0 ? [`ip daddr { ${resolvers.join(', ')} } meta l4proto { tcp, udp } th dport 53 accept`] : []
  const refuseDenied = [...deny.whole, ...deny.byPort].map((match) => `${match} goto refuse`)
  const refuseMetadata = `ip daddr ${METADATA} goto refuse`
  const beyondMetadata = (match: string) => `${match} ip daddr != ${METADATA} accept`
  const toProxy = [
    `tcp dport 80 dnat ip to ${context.proxy.address}:${context.proxy.httpPort}`,
    `tcp dport 443 dnat ip to ${context.proxy.address}:${context.proxy.tlsPort}`,
  ]
  const excepted = (...lists: string[][]) => lists.flat().map((match) => `${match} return`)
  if (policy.precedence === 'allow') {
    return {
      forward: [
        ...(byName ? askNames : []),
        ...[...allow.whole, ...allow.byPort].map(beyondMetadata),
        ...refuseDenied,
        ...askNames,
        refuseMetadata,
        'accept',
      ].join('\n'),
      proxied: deniesNames(policy)
        ? toProxy.join('\n')
        : byName && deny.whole.length + deny.byPort.length > 0
          ? [...excepted(allow.whole, allow.byPort), ...deniedToProxy(deny, toProxy)].join('\n')
          : '',
    }
  }
  const listed = policy.allow.length > 0 || byName
  return {
    forward: [
      ...refuseDenied,
      ...(byName ? askNames : []),
      ...(listed
        ? [
            ...allow.byPort.map(beyondMetadata),
            ...(allow.whole.length === 0 ? ['goto refuse'] : allow.whole.map((m) => `${notIn(m)} goto refuse`)),
          ]
        : []),
      ...(byName ? [] : askNames),
      refuseMetadata,
      'accept',
    ].join('\n'),
    proxied: deniesNames(policy)
      ? [...excepted(deny.whole, deny.byPort), ...toProxy].join('\n')
      : byName
        ? [...excepted(deny.whole, deny.byPort, allow.whole, allow.byPort), ...toProxy].join('\n')
        : '',
  }
}

/** Only what is denied comes to the proxy, for its name to except it. */
function deniedToProxy(deny: AddressSet, toProxy: string[]): string[] {
  if (deny.byPort.length === 0) return [...deny.whole.map((match) => `${notIn(match)} return`), ...toProxy]
  return [...deny.whole, ...deny.byPort].flatMap((match) => toProxy.map((rule) => `${match} ${rule}`))
}

/** All that has a name on its way is looked at then. */
function deniesNames({ denyDomains = [] }: NetworkPolicy): boolean {
  return new HostList(denyDomains).hasWebPorts
}

/** What goes by no name where some are denied. */
function refusedWithNames(policy: NetworkPolicy): string[] {
  const shut = new HostList(policy.denyDomains ?? []).allOtherPorts
  return [
    // HTTP over UDP would go by the proxy that reads the names.
    ...(deniesNames(policy) ? ['udp dport 443 goto refuse'] : []),
    // Nothing says which name a connection to such a port is for.
    ...(shut.length > 0 ? [`tcp dport { ${shut.join(', ')} } goto refuse`] : []),
  ]
}

/** Matches of packets, at most one for what is meant whole; none for an empty list: IPv6 alone is none, guests have no IPv6. */
interface AddressSet {
  whole: string[]
  byPort: string[]
}

function addressSet(entries: readonly string[], path: string): AddressSet {
  if (entries.length > MAX_CIDRS) throw invalidArgument(path, `at most ${MAX_CIDRS} entries`)
  const { whole, byPort } = splitCidrs(entries)
  const among = (cidrs: readonly string[]) => {
    const ranges = parseCidrs(cidrs, path).map(formatRange)
    return ranges.length === 0 ? [] : [`ip daddr { ${ranges.join(', ')} }`]
  }
  return {
    whole: among(whole),
    byPort: [...byPort].flatMap(([port, cidrs]) => among(cidrs).map((match) => `${match} tcp dport ${port}`)),
  }
}

function notIn(match: string): string {
  return match.replace('ip daddr {', 'ip daddr != {')
}
