import type { IncomingMessage } from 'node:http'

/** Where the dialects are mounted. */
export const MOUNTS = { e2b: '/e2b', novita: '/novita' } as const

type Addressed = Pick<IncomingMessage, 'url' | 'headers'>

/**
 * The path below a mount of a request for the control plane that came to the root: to the host `api.<domain>`, to a call
 * whose path Novita's client resolves against the root of the address it was given, or to the files of a volume, which
 * clients know another address for. Any other path stays as it is.
 */
export function controlUrl(request: Addressed, domain: string | null): string {
  const url = request.url ?? '/'
  const isNovita = request.headers['x-novita-sdk-name'] !== undefined
  const isKnown = url.startsWith('/volumecontent/') || (isNovita && /^\/v2\/templates(\?|$)/.test(url))
  const atRoot = isApiHost(request, domain) || isKnown
  // What is known of the server itself is at every one of its names.
  if (!atRoot || isMounted(url) || url.startsWith('/.well-known/')) return url
  return `${isNovita ? MOUNTS.novita : MOUNTS.e2b}${url}`
}

/**
 * Whether a request is for the control plane although it may name a sandbox in its headers, as requests to the agent do:
 * Novita's Python client names it at a connect too. A host that names a sandbox has the last word.
 */
export function isControlRequest(request: Addressed, domain: string | null): boolean {
  if (isApiHost(request, domain)) return true
  const { host = '', 'x-api-key': key } = request.headers
  return key !== undefined && isMounted(request.url ?? '/') && !/^\d+-/.test(host)
}

function isApiHost({ headers }: Addressed, domain: string | null): boolean {
  return domain !== null && headers.host?.toLowerCase() === `api.${domain.toLowerCase()}`
}

function isMounted(url: string): boolean {
  return Object.values(MOUNTS).some((mount) => url.startsWith(`${mount}/`))
}
