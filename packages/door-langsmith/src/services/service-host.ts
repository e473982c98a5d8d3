import type { IncomingMessage } from 'node:http'
import { isCode, type Sandbox, type TokensApi } from '@spawnpoint/core'
import type { GatewayService } from '@spawnpoint/gateway'
import { loginAnswer, shownToken } from './service-path.ts'
import { checkServiceToken } from './service-token.ts'

/** For the gateway: whether a request shows a token for this port of the sandbox, in its header or cookie. */
export function holdsServiceToken(tokens: TokensApi) {
  return (req: IncomingMessage, { id }: Pick<Sandbox, 'id'>, port: number): boolean => {
    try {
      checkServiceToken(tokens, { id, port }, shownToken(req))
      return true
    } catch (error) {
      if (isCode(error, 'unauthenticated')) return false
      throw error
    }
  }
}

/** For the gateway: answers who follows a link with a token in it. */
export function serviceLogin(tokens: TokensApi): GatewayService {
  return {
    request: async ({ req, res, sandbox: { id }, port }) => {
      const token = shownToken(req)
      try {
        const expiresAt = checkServiceToken(tokens, { id, port }, token)
        const [, search = ''] = (req.url ?? '/').split('?', 2)
        const secure = 'encrypted' in req.socket && req.socket.encrypted === true
        res.writeHead(302, { ...loginAnswer(token, expiresAt, '', search, secure), 'content-length': 0 }).end()
      } catch (error) {
        if (!isCode(error, 'unauthenticated')) throw error
        const body = `${error.message}\n`
        res.writeHead(401, { 'content-type': 'text/plain', 'content-length': body.length, 'cache-control': 'no-store' })
        res.end(body)
      }
    },
  }
}
