import type { IncomingMessage } from 'node:http'
import { type Principal, type Sandbox, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { insideOnly } from '@spawnpoint/door-kit'
import type { Admission, ProxyOptions } from '@spawnpoint/gateway'
import { BASES, LANGSMITH_PREFIX } from '../address.ts'
import { KEY_HEADER } from '../credentials.ts'
import { framesOf } from './embed-origins.ts'
import { sessionOf } from './login-session.ts'
import { checkServiceToken } from './service-token.ts'
import { loginOf } from './shares.ts'

/** A port that programs in a sandbox are reached at, below a path of ours. */
export interface ServicePath {
  id: string
  port: number
  /** What of the request's path is ours, byte for byte as the client wrote it */
  prefix: string
  /** What follows it, with a query if there is one */
  rest: string
}

export const SERVICE_HEADER = 'x-langsmith-sandbox-service-token'
export const SERVICE_COOKIE = 'langsmith_sandbox_service'
const USER_ID_HEADER = 'x-langsmith-user-id'
const USER_EMAIL_HEADER = 'x-langsmith-user-email'
/** For us, or ours to set: programs never see what a client says in them. */
export const SERVICE_HEADERS = [SERVICE_HEADER, USER_ID_HEADER, USER_EMAIL_HEADER, 'x-langsmith-user-token']

/** Below a service: where a token becomes a cookie, where a frame brings one, and where people sign in */
export const LOGIN = '/_svc/auth'
export const EMBED = '/_svc/embed'
export const SIGN_IN = '/_svc/login'

const PATH = new RegExp(
  `^(${LANGSMITH_PREFIX}/(?:api/)?v2/sandboxes/([0-9a-f]{24})/services/([1-9]\\d{0,4}))(?=[/?]|$)`,
)

export function serviceOf(url: string): ServicePath | null {
  const [, prefix, id, port] = PATH.exec(url) ?? []
  if (prefix === undefined || id === undefined || Number(port) > 65_535) return null
  return { id, port: Number(port), prefix, rest: url.slice(prefix.length) }
}

export function serviceProxy({ prefix }: ServicePath): ProxyOptions {
  return { pathPrefix: prefix, stripHeaders: [...SERVICE_HEADERS, KEY_HEADER], stripCookies: [SERVICE_COOKIE] }
}

export interface Reached {
  by: Principal
  sandbox: Sandbox
}

/** The sandbox, without a look at whether the request may do anything with it. */
export async function sandboxOf(api: SpawnpointApi, { id }: { id: string }): Promise<Reached> {
  const reached = await api.sandboxes.reach(id)
  if (reached === null) throw new SpawnpointError('unauthenticated', 'Authentication required', {})
  return reached
}

/** What a token or a session lets its holder do: until when, and what is said to the program and to the browser. */
export interface ServiceAdmission extends Admission {
  expiresAt: Date
  /** Whether pages of other hosts may show it in a frame: only then is its cookie for those, too */
  framed: boolean
}

/** Rejects `unauthenticated` and `forbidden`. */
export async function admitted(
  api: SpawnpointApi,
  reached: Reached,
  port: number,
  req: IncomingMessage,
): Promise<ServiceAdmission> {
  const token = shownToken(req)
  const session = await sessionOf(api, reached, port, token)
  const { expiresAt, origins } =
    session === null
      ? checkServiceToken(api.tokens, { id: reached.sandbox.id, port }, token)
      : { ...session, origins: session.share.embed_origins ?? [] }
  const member = session?.member ?? null
  return {
    expiresAt,
    framed: origins.length > 0,
    addHeaders: {
      ...(session === null ? {} : { [USER_ID_HEADER]: session.keyId }),
      ...(member !== null && /^[\x21-\x7e]+@[\x21-\x7e]+$/.test(member) ? { [USER_EMAIL_HEADER]: member } : {}),
    },
    addResponseHeaders: framesOf(origins),
  }
}

/** Where a browser without a session can get one; `null` where it cannot, and for what is no page that somebody looks at. */
export function signInAt(sandbox: Sandbox, port: number, req: IncomingMessage, path: string): string | null {
  const share = loginOf(sandbox, port)
  if (share === undefined || req.method !== 'GET') return null
  if (req.headers['sec-fetch-mode'] !== 'navigate' && !req.headers.accept?.includes('text/html')) return null
  const wanted = new URLSearchParams({ redirect: insideOnly(path) })
  return `${share.at}${BASES[1]}/${sandbox.id}/services/${port}${SIGN_IN}?${wanted}`
}

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
export function loginAnswer(
  token: string,
  { expiresAt, framed }: Pick<ServiceAdmission, 'expiresAt' | 'framed'>,
  path: string,
  search: string,
  secure: boolean,
) {
  const inside = insideOnly(new URLSearchParams(search).get('redirect') ?? '/')
  const seconds = Math.max(1, Math.floor((expiresAt.getTime() - Date.now()) / 1000))
  const site = framed ? 'SameSite=None; Secure; Partitioned' : `SameSite=Lax${secure ? '; Secure' : ''}`
  return {
    location: `${path}${inside}`,
    'set-cookie': `${SERVICE_COOKIE}=${token}; Path=${path || '/'}; Max-Age=${seconds}; HttpOnly; ${site}`,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  }
}
