import type { IncomingMessage } from 'node:http'
import type { Sandbox, TokensApi } from '@spawnpoint/core'
import { isSecure } from '../secure.ts'
import { ENVD_TOKEN, TRAFFIC_TOKEN } from '../tokens.ts'
import { INTERPRETER_PORT } from './inside.ts'
import { Refusal } from './refusal.ts'

/**
 * Rejects who may not. The port is a port of the sandbox, so its ingress policy holds. Code is run besides that only for
 * who has the agent's token, where the sandbox asks for one: the clients send it with code and with nothing else.
 */
export function authorize(
  req: IncomingMessage,
  sandbox: Pick<Sandbox, 'id' | 'ingress'>,
  tokens: TokensApi,
  runsCode: boolean,
): void {
  const shows = (header: string, purpose: string): boolean => {
    const token = req.headers[header]
    return typeof token === 'string' && tokens.verify(purpose, sandbox.id, token)
  }
  const access = sandbox.ingress.ports[INTERPRETER_PORT] ?? sandbox.ingress.default
  if (access === 'closed') throw new Refusal(403, 'The port is closed to traffic from outside')
  if (access === 'token' && !shows('e2b-traffic-access-token', TRAFFIC_TOKEN))
    throw new Refusal(403, 'The traffic access token is missing or invalid')
  if (runsCode && isSecure(sandbox) && !shows('x-access-token', ENVD_TOKEN))
    throw new Refusal(401, 'The access token is missing or invalid')
}
