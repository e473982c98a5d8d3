import { sign } from 'node:crypto'
import type { Asker } from './asker.ts'

const TOKEN_SECONDS = 3_600
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

/** An access token of a service account (RFC 7523), and how long it is good for in milliseconds. */
export async function googleToken(
  asker: Pick<Asker, 'post'>,
  serviceAccount: string,
  scopes: readonly string[],
): Promise<{ token: string; forMs: number }> {
  const account = fieldsOf(serviceAccount)
  const [email, key, url] = [account.client_email, account.private_key, account.token_uri].map(String)
  if (email === undefined || key === undefined || url === undefined) throw new Error('it is no service account')
  const now = Math.floor(Date.now() / 1000)
  const keyId = typeof account.private_key_id === 'string' ? { kid: account.private_key_id } : {}
  const claims = { iss: email, scope: scopes.join(' '), aud: url, iat: now, exp: now + TOKEN_SECONDS }
  const unsigned = [{ alg: 'RS256', typ: 'JWT', ...keyId }, claims].map(encoded).join('.')
  const assertion = `${unsigned}.${sign('sha256', Buffer.from(unsigned), key).toString('base64url')}`
  const form = new URLSearchParams({ grant_type: GRANT, assertion }).toString()
  const answer = fieldsOf(await asker.post(url, { 'content-type': 'application/x-www-form-urlencoded' }, form))
  const { access_token: token, expires_in: seconds = TOKEN_SECONDS } = answer
  if (typeof token !== 'string' || !/^[\x21-\x7e]{1,8192}$/.test(token)) throw new Error('it answers no token')
  return { token, forMs: typeof seconds === 'number' ? seconds * 1000 : TOKEN_SECONDS * 1000 }
}

export function fieldsOf(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json)
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
