import type { IncomingMessage } from 'node:http'
import type { Sandbox, SpawnpointApi } from '@spawnpoint/core'
import { insideOnly } from '@spawnpoint/door-kit'
import type { Admission, ServiceCall } from '@spawnpoint/gateway'
import { bearerOf, isRuntimeToken } from './runtime-token.ts'

export const BROWSER_PATH = '/_hb/auth'
/** Of browsers that have opened a protected port; programs do not see it */
export const BROWSER_COOKIE = 'hb_session'
const BROWSER_MS = 600_000
const PURPOSE = 'hyperbrowser-port'

/**
 * Whether a request for a protected port shows a runtime token, or the cookie that a browser was given. The token opens all of the
 * sandbox, with root's rights: it is none of the program's.
 */
export function runtimeTokenAllows(api: SpawnpointApi) {
  return (req: IncomingMessage, { id }: Sandbox, port: number): boolean | Admission =>
    isRuntimeToken(api, id, bearerOf(req.headers.authorization))
      ? { stripHeaders: ['authorization'] }
      : isPortToken(api, id, port, cookieOf(req))
}

/** Address that a browser opens a protected port with, and until when. */
export function browserUrl(api: SpawnpointApi, url: string, id: string, port: number, now = Date.now()) {
  const expiresAt = now + BROWSER_MS
  const token = `${expiresAt}.${api.tokens.issue(PURPOSE, `${id} ${port} ${expiresAt}`)}`
  return {
    browserUrl: `${url}${BROWSER_PATH.slice(1)}?token=${token}&next=/`,
    browserUrlExpiresAt: new Date(expiresAt),
  }
}

/** Gives the browser that comes with a token a cookie in its place, and sends it on. */
export function browserSession(api: SpawnpointApi) {
  return async ({ req, res, sandbox, port }: ServiceCall): Promise<void> => {
    const query = new URL(req.url ?? '/', 'http://port').searchParams
    const token = query.get('token') ?? ''
    if (!isPortToken(api, sandbox.id, port, token)) {
      res.writeHead(401, { 'content-type': 'application/json' })
      res.end(JSON.stringify({ message: 'This address is not valid any more', code: 'unauthenticated' }))
      return
    }
    res.writeHead(302, {
      'set-cookie': `${BROWSER_COOKIE}=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${BROWSER_MS / 1000}`,
      location: insideOnly(query.get('next') ?? '/'),
      'content-length': '0',
    })
    res.end()
  }
}

function isPortToken({ tokens }: SpawnpointApi, id: string, port: number, token: string): boolean {
  const [, expiresAt = '', proof = ''] = /^(\d{1,16})\.([0-9a-f]{64})$/.exec(token) ?? []
  return tokens.verify(PURPOSE, `${id} ${port} ${expiresAt}`, proof) && Number(expiresAt) > Date.now()
}

function cookieOf(req: IncomingMessage): string {
  return new RegExp(`(?:^|;\\s*)${BROWSER_COOKIE}=([^;\\s]{1,256})`).exec(req.headers.cookie ?? '')?.[1] ?? ''
}
