import type { NetworkPolicy } from '@spawnpoint/core'
import { invalidArgument } from '@spawnpoint/core'
import {
  GUEST_ADDRESS,
  linkName,
  linkPrefix,
  OUTER_NETWORK,
  outerAddress,
  serverNetwork,
  tableName,
} from './addresses.ts'
import { formatRange, isReachableByGuests, parseCidrs } from './cidr.ts'

/** Link-local addresses: where clouds keep the credentials of their machines. */
const METADATA_NETWORK = '169.254.0.0/16'
const MAX_CIDRS = 1_000
/** Where container engines and hypervisors keep what only the host should reach: Docker, Podman, CNI, libvirt, LXC, LXD, Incus */
const HOSTS_OWN_BRIDGES = ['docker*', 'br-*', 'podman*', 'cni*', 'virbr*', 'lxcbr*', 'lxdbr*', 'incusbr*']

export const OPEN_POLICY: NetworkPolicy = { internet: true, allow: [], deny: [] }

export function samePolicy(a: NetworkPolicy, b: NetworkPolicy): boolean {
  return a.internet === b.internet && a.allow.join() === b.allow.join() && a.deny.join() === b.deny.join()
}

/**
 * The whole rule set of a server, replacing an older one in a single transaction.
 *
 *     guest ─► ingress of its link: only its own address may be the source, which becomes the outer one (no state)
 *           ─► forward: other sandboxes and the host's containers no, then the slot's policy ─► masqueraded by the host's address
 *           ─► input: nothing but answers
 *     host  ─► outer address ─► egress of the link: becomes the inner address (no state)
 */
export function serverRules(server: number, slots: readonly (readonly [slot: number, rules: string])[]): string {
  const table = tableName(server)
  const links = `"${linkPrefix(server)}*"`
  return [
    ...removeServer(server),
    `table netdev ${table} {}`,
    `table inet ${table} {
      map slots { type ifname : verdict; }
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
        iifname ${links} goto refuse
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
export function addSlot(server: number, slot: number, rules: string): string[] {
  const table = tableName(server)
  const link = linkName(server, slot)
  const outer = outerAddress(server, slot)
  return [
    `add chain netdev ${table} in_${slot} { type filter hook ingress device "${link}" priority -150; policy drop; }`,
    `add rule netdev ${table} in_${slot} ip saddr ${GUEST_ADDRESS} ip saddr set ${outer} accept`,
    `add rule netdev ${table} in_${slot} ether type arp accept`,
    `add chain netdev ${table} out_${slot} { type filter hook egress device "${link}" priority 150; policy accept; }`,
    `add rule netdev ${table} out_${slot} ip daddr ${outer} ip daddr set ${GUEST_ADDRESS}`,
    `add chain inet ${table} slot_${slot}`,
    ...slotRules(server, slot, rules),
    `add element inet ${table} slots { "${link}" : jump slot_${slot} }`,
  ]
}

export function removeSlot(server: number, slot: number): string[] {
  const table = tableName(server)
  return [
    `delete element inet ${table} slots { "${linkName(server, slot)}" }`,
    `flush chain inet ${table} slot_${slot}`,
    `delete chain inet ${table} slot_${slot}`,
    `delete chain netdev ${table} in_${slot}`,
    `delete chain netdev ${table} out_${slot}`,
  ]
}

/** Replaces the policy of a slot; `rules` comes from `policyRules`. */
export function slotRules(server: number, slot: number, rules: string): string[] {
  const chain = `inet ${tableName(server)} slot_${slot}`
  return [`flush chain ${chain}`, ...rules.split('\n').map((rule) => `add rule ${chain} ${rule}`)]
}

export interface PolicyContext {
  /** Resolvers that guests use; reachable on port 53 even where metadata servers answer for names too */
  dns: readonly string[]
}

/**
 * A policy as rules, one a line. They hold for connections that exist already, too; TCP is refused instead of dropped, so
 * that programs need not wait. An allow list holds for the resolvers as well: names are a way out like any other. Rejects
 * `invalid_argument`.
 */
export function policyRules(policy: NetworkPolicy, context: PolicyContext): string {
  const deny = parsed(policy.deny, 'network.deny')
  const allow = parsed(policy.allow, 'network.allow')
  if (!policy.internet) return 'goto refuse'
  const dns = context.dns.filter(isReachableByGuests)
  return [
    ...(deny.length > 0 ? [`ip daddr { ${deny.join(', ')} } goto refuse`] : []),
    ...(policy.allow.length > 0
      ? [allow.length > 0 ? `ip daddr != { ${allow.join(', ')} } goto refuse` : 'goto refuse']
      : []),
    ...(dns.length > 0
      ? [`ip daddr { ${[...new Set(dns)].join(', ')} } meta l4proto { tcp, udp } th dport 53 accept`]
      : []),
    `ip daddr ${METADATA_NETWORK} goto refuse`,
    'accept',
  ].join('\n')
}

function parsed(cidrs: readonly string[], path: string): string[] {
  if (cidrs.length > MAX_CIDRS) throw invalidArgument(path, `at most ${MAX_CIDRS} entries`)
  return parseCidrs(cidrs, path).map(formatRange)
}
