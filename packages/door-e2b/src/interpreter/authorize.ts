import type { IncomingMessage } from 'node:http'
import type { Sandbox, TokensApi } from '@spawnpoint/core'
import { holdsTrafficToken } from '../envd/traffic-token.ts'
import { isSecure } from '../secure.ts'
import { ENVD_TOKEN } from '../tokens.ts'
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
  const access = sandbox.ingress.ports[INTERPRETER_PORT] ?? sandbox.ingress.default
  if (access === 'closed') throw new Refusal(403, 'The port is closed to traffic from outside')
  if (access === 'token' && !holdsTrafficToken(tokens)(req, sandbox))
    throw new Refusal(403, 'The traffic access token is missing or invalid')
  const token = req.headers['x-access-token']
  const shown = typeof token === 'string' && tokens.verify(ENVD_TOKEN, sandbox.id, token)
  if (runsCode && isSecure(sandbox) && !shown) throw new Refusal(401, 'The access token is missing or invalid')
}
