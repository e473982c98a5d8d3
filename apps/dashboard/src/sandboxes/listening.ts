/** Addresses that a program in the sandbox listens on. */
export interface Listening {
  port: number
  /** Only programs in the sandbox itself reach it, and we */
  loopback: boolean
}

const LISTEN = '0A'
const LINE = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /

/** From what Linux shows in `/proc/net/tcp` and `tcp6`; lines of another form, which the guest may write, are left out. */
export function listeningIn(...tables: string[]): Listening[] {
  const found = new Map<number, Listening>()
  for (const line of tables.flatMap((table) => table.split('\n'))) {
    const [, address = '', hex = '', state] = LINE.exec(line) ?? []
    const port = Number.parseInt(hex, 16)
    if (state !== LISTEN || port === 0) continue
    const loopback = isLoopback(address) && (found.get(port)?.loopback ?? true)
    found.set(port, { port, loopback })
  }
  return [...found.values()].sort((a, b) => a.port - b.port)
}

/** Bytes of an IPv4 address are in the processor's order there, little-endian; those of IPv6 in groups of four likewise. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith('7F')
  return address === '00000000000000000000000001000000' || /^0{16}FFFF0000[0-9A-F]{6}7F$/.test(address)
}
