import { BlockList, isIP } from 'node:net'

/** Who makes connections in our place. */
export interface OutgoingProxy {
  url: string
  /** Whether requests for this host and port go past it */
  isFor(url: URL): boolean
}

/** What a proxy on another machine would take for its own */
const OWN = ['localhost', '127.0.0.0/8', '::1']

/** The proxy that the operator's environment names for requests with TLS: HTTPS_PROXY, and NO_PROXY for whom it is not. */
export function environmentProxy(env: NodeJS.ProcessEnv = process.env): OutgoingProxy | null {
  const url = env.https_proxy || env.HTTPS_PROXY
  if (!url) return null
  const except = [...OWN, ...(env.no_proxy || env.NO_PROXY || '').split(/[\s,]+/)]
    .filter((entry) => entry !== '')
    .map(exception)
  return { url, isFor: (asked) => !except.some((covers) => covers(asked)) }
}

/** `*`, a name and all below it (`.name` and `*.name` are the same), an address, a network, each with or without a port. */
function exception(entry: string): (url: URL) => boolean {
  if (entry === '*') return () => true
  const [, network = '', bits] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(entry) ?? []
  const within = isIP(network) === 0 ? null : subnet(network, Number(bits))
  if (within !== null) return ({ hostname }) => within(bare(hostname))
  const [, host = entry, port] = /^(.*[^:]|\[.*\]):(\d{1,5})$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? []
  const name = bare(host)
    .toLowerCase()
    .replace(/^\*?\./, '')
  return (url) => {
    const asked = bare(url.hostname).toLowerCase()
    if (port !== undefined && port !== (url.port || '443')) return false
    return asked === name || (isIP(asked) === 0 && asked.endsWith(`.${name}`))
  }
}

function subnet(network: string, bits: number): ((host: string) => boolean) | null {
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4'
  if (bits > (family === 'ipv6' ? 128 : 32)) return null
  const list = new BlockList()
  list.addSubnet(network, bits, family)
  return (host) => isIP(host) !== 0 && list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}
