import type { Asker } from './asker.ts'
import { jsonWebToken, nowSeconds } from './json-web-token.ts'
import { fieldsOf, type Given, tokenOf } from './token-service.ts'

const TOKEN_SECONDS = 3_600
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

/** An access token of a service account (RFC 7523). */
export async function googleToken(
  asker: Pick<Asker, 'post'>,
  serviceAccount: string,
  scopes: readonly string[],
): Promise<Given<string>> {
  const account = fieldsOf(serviceAccount)
  const [email, privateKey, url] = [account.client_email, account.private_key, account.token_uri].map(String)
  if (email === undefined || privateKey === undefined || url === undefined) throw new Error('it is no service account')
  const keyId = typeof account.private_key_id === 'string' ? account.private_key_id : undefined
  const now = nowSeconds()
  const claims = { iss: email, scope: scopes.join(' '), aud: url, iat: now, exp: now + TOKEN_SECONDS }
  return tokenOf(asker, url, { grant_type: GRANT, assertion: jsonWebToken('RS256', { privateKey, keyId }, claims) })
}
