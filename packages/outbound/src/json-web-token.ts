import { sign } from 'node:crypto'

/** A JSON Web Token (RFC 7519) that is signed with this key: RS256, or EdDSA (RFC 8037). */
export function jsonWebToken(
  alg: 'RS256' | 'EdDSA',
  { privateKey, keyId }: { privateKey: string; keyId: string | undefined },
  claims: object,
): string {
  const header = { alg, typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) }
  const unsigned = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const signature = sign(alg === 'RS256' ? 'sha256' : null, Buffer.from(unsigned), privateKey)
  return `${unsigned}.${signature.toString('base64url')}`
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
