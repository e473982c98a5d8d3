import { createHash } from 'node:crypto'

/**
 * A host for one file alone, below `domain` (`host[:port]`): its pages have an origin that no other file, service or API has, and
 * the same one whenever a link to it is made.
 */
export function fileHost({ id, path }: { id: string; path: string }, domain: string): string {
  return `file-${createHash('sha256').update(`${id} ${path}`).digest('hex').slice(0, 32)}.${domain}`
}

/** Whether the host that a request names is that, by whatever port. */
export function isAtFileHost(host: string | undefined, file: { id: string; path: string }, domain: string): boolean {
  return nameOf(host ?? '') === nameOf(fileHost(file, domain))
}

function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase()
}
