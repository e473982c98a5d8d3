import { getCACertificates } from 'node:tls'

/** Certificates (PEM) of those that may say who a host is, read when the first one is asked something: that takes a while. */
export type Roots = () => readonly string[]

/** Whom the server trusts when it speaks to hosts: the machine's own list, Node's, and `NODE_EXTRA_CA_CERTS`. */
export function systemRoots(): string[] {
  return [...new Set([...getCACertificates('system'), ...getCACertificates('default')])]
}
