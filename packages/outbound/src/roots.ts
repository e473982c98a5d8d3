import { getCACertificates } from 'node:tls'

/** Whom the server trusts when it speaks to hosts: the machine's own list, Node's, and `NODE_EXTRA_CA_CERTS`. */
export function systemRoots(): string[] {
  return [...new Set([...getCACertificates('system'), ...getCACertificates('default')])]
}
