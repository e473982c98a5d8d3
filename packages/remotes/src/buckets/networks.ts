import { lookup } from 'node:dns/promises'
import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type Boundary, boundary } from '@spawnpoint/outbound'

/** Where stores may be: `open` for requests with TLS, `near` for those without. */
export interface Networks {
  open: Boundary
  near: Boundary
}

/** Public addresses that are not this machine's, and `near`: IPv4 addresses and CIDRs of other networks, or of this machine. */
export function networks(near: readonly string[]): Networks {
  const list = new BlockList()
  for (const one of near) {
    const [address = '', bits = '32'] = one.split('/')
    list.addSubnet(address, Number(bits), 'ipv4')
  }
  const resolver = {
    resolve4: async (name: string) => (await lookup(name, { family: 4, all: true })).map(({ address }) => address),
  }
  return {
    open: boundary({ resolver, near: list, isOwn }),
    near: boundary({ resolver, near: list, isOwn: () => true }),
  }
}

function isOwn(address: string): boolean {
  return Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === address))
}
