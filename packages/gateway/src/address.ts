import type { IncomingHttpHeaders } from 'node:http'

/** A port of a sandbox. */
export interface Address {
  id: string
  port: number
}

/** Names of the request headers that carry an address, lower case. */
export interface RoutingHeaders {
  id: string
  port: string
}

export interface AddressRules {
  /** Host, without a port, below which `port-id` names a sandbox's port; `null` for none. `localhost` always does. */
  domain: string | null
  routingHeaders: readonly RoutingHeaders[]
}

const ID = '[a-z0-9]{1,64}'
/** What follows the id is of no meaning to us: some clients append another id to it. */
const LABEL = new RegExp(`^(\\d{1,5})-(${ID})(?:-.*)?$`)
const HEADER_ID = new RegExp(`^(${ID})(?:-.*)?$`)

/**
 * The port that a request is for: by the left-most label of its host, else by its routing headers. `null` if it names none,
 * and text that says what is wrong if it tries to.
 */
export function addressOf(headers: IncomingHttpHeaders, rules: AddressRules): Address | string | null {
  const label = labelOf(headers.host, rules.domain)
  // Others below the domain belong to somebody else, such as `api`, or to the routing headers.
  if (label !== null && /^\d+-/.test(label)) {
    const [, port = '', id = ''] = LABEL.exec(label) ?? []
    return checked(port, id) ?? `Invalid host: ${label.slice(0, 80)}`
  }
  for (const names of rules.routingHeaders) {
    const id = headers[names.id]
    const port = headers[names.port]
    if (id === undefined && port === undefined) continue
    if (typeof id !== 'string' || typeof port !== 'string')
      return `The headers ${names.id} and ${names.port} go together`
    return checked(port, HEADER_ID.exec(id.toLowerCase())?.[1] ?? '') ?? `Invalid ${names.id} or ${names.port}`
  }
  return null
}

/** What stands before the domain in a host; `null` if it is another domain's. */
function labelOf(host: string | undefined, domain: string | null): string | null {
  const name = (host ?? '').replace(/:\d*$/, '').toLowerCase()
  for (const base of domain === null ? ['localhost'] : [domain.toLowerCase(), 'localhost']) {
    const label = name.endsWith(`.${base}`) ? name.slice(0, -base.length - 1) : ''
    if (label !== '' && !label.includes('.')) return label
  }
  return null
}

function checked(port: string, id: string): Address | null {
  const number = Number(port)
  return /^\d{1,5}$/.test(port) && number >= 1 && number <= 65_535 && id !== '' ? { id, port: number } : null
}
