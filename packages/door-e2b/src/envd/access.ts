import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Sandbox, TokensApi } from '@spawnpoint/core'
import { isSecure } from '../secure.ts'
import { ENVD_TOKEN } from '../tokens.ts'
import { HttpError } from './http-error.ts'

const UNAUTHORIZED = 'unauthorized access, please provide a valid access token or method signing if supported'

/** Rejects with 401 who does not show the sandbox's token, if it asks for one. */
export function requireToken(tokens: TokensApi, sandbox: Sandbox, req: IncomingMessage): void {
  if (isSecure(sandbox) && !showsToken(tokens, sandbox, req)) throw new HttpError(401, UNAUTHORIZED)
}

function showsToken(tokens: TokensApi, sandbox: Sandbox, req: IncomingMessage): boolean {
  const token = req.headers['x-access-token']
  return typeof token === 'string' && tokens.verify(ENVD_TOKEN, sandbox.id, token)
}

/** What a signature for a file is made of, as the request says it. */
export interface Signed {
  path: string
  operation: 'read' | 'write'
  user: string
  signature: string | null
  /** Unix seconds, as written; `null` for one without an end */
  expiration: string | null
}

export function signedOf(query: URLSearchParams, method: string | undefined): Signed {
  return {
    path: query.get('path') ?? '',
    operation: method === 'POST' ? 'write' : 'read',
    user: query.get('username') ?? '',
    signature: query.get('signature'),
    expiration: query.get('signature_expiration'),
  }
}

/** As `requireToken`, but a signature does as well. A token that is shown and wrong is not made good by one. */
export function requireTokenOrSignature(
  tokens: TokensApi,
  sandbox: Sandbox,
  req: IncomingMessage,
  signed: Signed,
  now: Date,
): void {
  if (!isSecure(sandbox)) return
  if (req.headers['x-access-token'] !== undefined) {
    requireToken(tokens, sandbox, req)
    return
  }
  if (signed.signature === null) throw new HttpError(401, 'missing signature query parameter')
  if (!isSignedBy(tokens, sandbox, signed)) throw new HttpError(401, 'invalid signature')
  requireUnexpired(signed, now)
}

/** Whether the sandbox's token gives this signature, in constant time. */
export function isSignedBy(tokens: TokensApi, sandbox: Pick<Sandbox, 'id'>, signed: Signed): boolean {
  const token = tokens.issue(ENVD_TOKEN, sandbox.id)
  const end = signed.expiration === null ? '' : `:${signed.expiration}`
  const text = `${signed.path}:${signed.operation}:${signed.user}:${token}${end}`
  const expected = Buffer.from(`v1_${createHash('sha256').update(text).digest('base64').replace(/=+$/, '')}`)
  const given = Buffer.from(signed.signature ?? '')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

export function requireUnexpired({ expiration }: Signed, now: Date): void {
  if (expiration === null) return
  if (!/^\d{1,15}$/.test(expiration) || Number(expiration) * 1000 < now.getTime())
    throw new HttpError(401, 'signature is already expired')
}
