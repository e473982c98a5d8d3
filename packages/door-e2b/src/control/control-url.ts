import type { IncomingMessage } from 'node:http'

/** Where the dialects are mounted. */
export const MOUNTS = { e2b: '/e2b', novita: '/novita' } as const

/**
 * The path below a mount of a request for the control plane that came to the root: to the host `api.<domain>`, or to a
 * call whose path Novita's client resolves against the root of the address it was given. Any other path stays as it is.
 */
export function controlUrl(request: Pick<IncomingMessage, 'url' | 'headers'>, domain: string | null): string {
  const url = request.url ?? '/'
  const isNovita = request.headers['x-novita-sdk-name'] !== undefined
  const atRoot =
    (domain !== null && request.headers.host?.toLowerCase() === `api.${domain.toLowerCase()}`) ||
    (isNovita && /^\/v2\/templates(\?|$)/.test(url))
  if (!atRoot || Object.values(MOUNTS).some((mount) => url.startsWith(`${mount}/`))) return url
  return `${isNovita ? MOUNTS.novita : MOUNTS.e2b}${url}`
}
