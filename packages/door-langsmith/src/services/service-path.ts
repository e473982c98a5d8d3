import type { IncomingMessage } from 'node:http'
import { type Principal, type Sandbox, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import type { ProxyOptions } from '@spawnpoint/gateway'
import { LANGSMITH_PREFIX } from '../address.ts'
import { KEY_HEADER } from '../credentials.ts'
import { checkServiceToken } from './service-token.ts'

/** A port that programs in a sandbox are reached at, below a path of ours. */
export interface ServicePath {
  id: string
  port: number
  /** What of the request's path is ours, byte for byte as the client wrote it */
  prefix: string
}

export const SERVICE_HEADER = 'x-langsmith-sandbox-service-token'
export const SERVICE_COOKIE = 'langsmith_sandbox_service'
const PATH = new RegExp(
  `^(${LANGSMITH_PREFIX}/(?:api/)?v2/sandboxes/([0-9a-f]{24})/services/([1-9]\\d{0,4}))(?=[/?]|$)`,
)

export function serviceOf(url: string): ServicePath | null {
  const [, prefix, id, port] = PATH.exec(url) ?? []
  if (prefix === undefined || id === undefined || Number(port) > 65_535) return null
  return { id, port: Number(port), prefix }
}

export function serviceProxy({ prefix }: ServicePath): ProxyOptions {
  return { pathPrefix: prefix, stripHeaders: [SERVICE_HEADER, KEY_HEADER], stripCookies: [SERVICE_COOKIE] }
}

/** The sandbox whose service the request holds a token for. */
export async function reachService(
  api: SpawnpointApi,
  service: { id: string; port: number },
  req: IncomingMessage,
): Promise<{ by: Principal; sandbox: Sandbox; expiresAt: Date }> {
  const expiresAt = checkServiceToken(api.tokens, service, shownToken(req))
  const reached = await api.sandboxes.reach(service.id)
  if (reached === null) throw new SpawnpointError('unauthenticated', 'Authentication required', {})
  return { ...reached, expiresAt }
}

export const LOGIN = '/_svc/auth'

export function shownToken({ headers, url = '/' }: Pick<IncomingMessage, 'headers' | 'url'>): string {
  const header = headers[SERVICE_HEADER]
  if (typeof header === 'string') return header
  const [path = '', search = ''] = url.split('?', 2)
  if (path.endsWith(LOGIN)) return new URLSearchParams(search).get('token') ?? ''
  for (const pair of (headers.cookie ?? '').split(';')) {
    const [name = '', value = ''] = pair.trim().split('=', 2)
    if (name === SERVICE_COOKIE) return value
  }
  return ''
}

/** Answer to who follows a link: the token goes into a cookie, out of the address. */
export function loginAnswer(token: string, expiresAt: Date, path: string, search: string, secure: boolean) {
  const wanted = new URLSearchParams(search).get('redirect') ?? '/'
  // Only within the service: two slashes, or what browsers take for one, lead to another host.
  const inside = /^\/(?![/\\])[\x21-\x7e]*$/.test(wanted) && !wanted.includes('\\') ? wanted : '/'
  const seconds = Math.max(1, Math.floor((expiresAt.getTime() - Date.now()) / 1000))
  return {
    location: `${path}${inside}`,
    'set-cookie': `${SERVICE_COOKIE}=${token}; Path=${path || '/'}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  }
}
