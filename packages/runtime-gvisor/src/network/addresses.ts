/**
 * Names and addresses of network slots. Several servers share one host, so everything carries the server's index
 * (0 to 63) and the slot's number. Inside every slot the addresses are the same: a snapshot restored into any other slot
 * finds the network it knew.
 */
export const MAX_SERVERS = 64
export const MAX_SLOTS = 65_000

export const GUEST_ADDRESS = '10.88.0.2'
export const GUEST_PREFIX = 24
export const GATEWAY_ADDRESS = '10.88.0.1'
export const GUEST_MAC = '02:53:50:00:00:02'
export const GATEWAY_MAC = '02:53:50:00:00:01'

/** All outer addresses of all servers: shared address space of RFC 6598, seen on this host only. */
export const OUTER_NETWORK = '100.64.0.0/10'
/**
 * Where clouds keep the credentials of their machines: link-local addresses, and two that are not. One more is in the network
 * above, which guests never reach.
 */
export const METADATA_NETWORKS = ['169.254.0.0/16', '168.63.129.16', '192.0.0.192']

export function tableName(server: number): string {
  return `spawnpoint_${server}`
}

/** Beginning of the names of a server's network namespaces. */
export function namespacePrefix(server: number): string {
  return `sp${server}-`
}

export function namespaceName(server: number, slot: number): string {
  return `${namespacePrefix(server)}${slot}`
}

/** Empty namespace without a slot, for processes that need no network. */
export function emptyNamespaceName(server: number): string {
  return `${namespacePrefix(server)}none`
}

export function namespacePath(name: string): string {
  return `/run/netns/${name}`
}

/** Beginning of the names of a server's host interfaces. */
export function linkPrefix(server: number): string {
  return `sp${server}v`
}

/** At most 10 characters; the kernel allows 15. */
export function linkName(server: number, slot: number): string {
  return `${linkPrefix(server)}${slot}`
}

export function serverNetwork(server: number): string {
  return `100.${64 + server}.0.0/16`
}

/** The address by which the host knows the guest of this slot. */
export function outerAddress(server: number, slot: number): string {
  const host = slot + 1
  return `100.${64 + server}.${host >> 8}.${host & 0xff}`
}

/** The slot with this `outerAddress`. */
export function slotAt(outer: string): number {
  const [, , high = 0, low = 0] = outer.split('.').map(Number)
  return (high << 8) + low - 1
}

/** Of the host, for guests whose policy names hosts: the last one before the broadcast address, which no slot has. */
export function proxyAddress(server: number): string {
  return `100.${64 + server}.255.254`
}
