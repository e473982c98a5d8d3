import type { IncomingMessage } from 'node:http'
import type { Sandbox, TokensApi } from '@spawnpoint/core'
import { TRAFFIC_TOKEN } from '../tokens.ts'

/** Header that opens the ports of a sandbox that asks for a token. Programs behind them do not see it. */
export const TRAFFIC_TOKEN_HEADER = 'e2b-traffic-access-token'

/** For the gateway: whether a request shows the sandbox's traffic token. */
export function holdsTrafficToken(tokens: TokensApi): (req: IncomingMessage, sandbox: Pick<Sandbox, 'id'>) => boolean {
  return (req, sandbox) => {
    const token = req.headers[TRAFFIC_TOKEN_HEADER]
    return typeof token === 'string' && tokens.verify(TRAFFIC_TOKEN, sandbox.id, token)
  }
}
