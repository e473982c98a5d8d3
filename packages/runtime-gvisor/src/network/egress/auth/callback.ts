import { createHash } from 'node:crypto'
import type { OutgoingAuth } from '@spawnpoint/core'
import { type Asker, fieldsOf, jsonWebToken, nowSeconds } from '@spawnpoint/outbound'
import type { OutgoingRequest } from './outgoing-request.ts'

export type CallbackAuth = Extract<OutgoingAuth, { type: 'callback' }>

const MAX_SHOWN_BODY_BYTES = 256 * 1024
const SIGNATURE_SECONDS = 300
const MAX_HEADERS = 64
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/
const VALUE = /^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/
/** They say how a message is cut and where it goes */
const NOT_TO_SET =
  /^(connection|content-length|expect|host|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i

/** Headers that the web service says go into this request. Rejects an `Error` where it says nothing usable. */
export async function askCallback(
  asker: Pick<Asker, 'post'>,
  auth: CallbackAuth,
  request: OutgoingRequest,
): Promise<{ name: string; value: string }[]> {
  const { host, port } = request
  const shown = auth.wholeRequest ? { request: await shownRequest(request) } : {}
  const body = JSON.stringify({ host, port, identity: auth.identity, ...shown })
  const own = auth.values.map(({ name, value }) => {
    if (value === null) throw new Error(`the value of ${name} cannot be read`)
    return [name, value] as const
  })
  const answer = await asker.post(
    auth.url,
    { ...Object.fromEntries(own), 'content-type': 'application/json', [auth.signature.header]: signature(auth, body) },
    body,
  )
  const { headers } = fieldsOf(answer)
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers))
    throw new Error('it answers no headers')
  const set = Object.entries(headers).map(([name, value]: [string, unknown]) => {
    const right = typeof value === 'string' && NAME.test(name) && VALUE.test(value) && !NOT_TO_SET.test(name)
    if (!right) throw new Error('it answers a header that is none')
    return { name, value }
  })
  if (set.length > MAX_HEADERS) throw new Error('it answers too many headers')
  return set
}

/** Says what was asked, whom and when. */
function signature({ signer, signature: { subject }, url }: CallbackAuth, body: string): string {
  const now = nowSeconds()
  const claims = {
    iss: signer.issuer,
    sub: subject,
    aud: url,
    iat: now,
    exp: now + SIGNATURE_SECONDS,
    body_sha256: createHash('sha256').update(body).digest('hex'),
  }
  return jsonWebToken('EdDSA', signer, claims)
}

async function shownRequest({ method, host, port, target, headers, body }: OutgoingRequest) {
  const scheme = port === 443 ? 'https' : 'http'
  const [path = '', query] = target.split(/\?(.*)/s)
  const { bytes, isWhole } = await body.peek(MAX_SHOWN_BODY_BYTES)
  const byName: Record<string, string[]> = Object.create(null)
  for (const [name, value] of headers) byName[name] = [...(byName[name] ?? []), value]
  return {
    method,
    url: `${scheme}://${host}${target}`,
    scheme,
    host,
    path,
    ...(query === undefined ? {} : { query }),
    headers: byName,
    body_base64: bytes.toString('base64'),
    body_truncated: !isWhole,
  }
}
