import type { IncomingMessage } from 'node:http'
import { isCode, type Sandbox, type SpawnpointApi } from '@spawnpoint/core'
import type { Admission, GatewayService } from '@spawnpoint/gateway'
import { embedPage } from './pages.ts'
import { admitted, loginAnswer, type Reached, shownToken, signInAt } from './service-path.ts'

/** For the gateway: what a request may do that shows a token for this port of the sandbox, in its header or cookie. */
export function admitsService(api: SpawnpointApi) {
  return async (req: IncomingMessage, sandbox: Sandbox, port: number): Promise<Admission | null> => {
    if (shownToken(req) === '') return null
    try {
      const { addHeaders = {}, addResponseHeaders = {} } = await admitted(api, reachedOf(sandbox), port, req)
      return { addHeaders, addResponseHeaders }
    } catch (error) {
      if (isCode(error, 'unauthenticated') || isCode(error, 'forbidden')) return null
      throw error
    }
  }
}

/** For the gateway: whom a browser without a session is sent to, if the port is shared with those who sign in. */
export function serviceSignIn(req: IncomingMessage, sandbox: Sandbox, port: number): string | null {
  return signInAt(sandbox, port, req, req.url ?? '/')
}

/** For the gateway: answers who follows a link with a token in it. */
export function serviceLogin(api: SpawnpointApi): GatewayService {
  return {
    request: async ({ req, res, sandbox, port }) => {
      try {
        const admission = await admitted(api, reachedOf(sandbox), port, req)
        const [, search = ''] = (req.url ?? '/').split('?', 2)
        const secure = 'encrypted' in req.socket && req.socket.encrypted === true
        const headers = loginAnswer(shownToken(req), admission, '', search, secure)
        res.writeHead(302, { ...headers, 'content-length': 0 }).end()
      } catch (error) {
        if (!isCode(error, 'unauthenticated') && !isCode(error, 'forbidden')) throw error
        const body = `${error.message}\n`
        res.writeHead(401, {
          'content-type': 'text/plain',
          'content-length': Buffer.byteLength(body),
          'cache-control': 'no-store',
        })
        res.end(body)
      }
    },
  }
}

/** For the gateway: the page that a frame begins with. */
export const serviceEmbed: GatewayService = {
  request: async ({ res }) => {
    const { status, headers, body } = embedPage()
    res.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
  },
}

/** As the core tells it of who has no key. */
function reachedOf(sandbox: Sandbox): Reached {
  return { by: { teamId: sandbox.teamId, keyId: null }, sandbox }
}
