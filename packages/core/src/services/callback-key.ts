import { createHash, createPrivateKey, createPublicKey, hkdfSync, type JsonWebKey } from 'node:crypto'
import type { CallbackSigner } from '../ports/index.ts'

const ISSUER = 'spawnpoint'
/** DER before the 32 bytes of an Ed25519 key in PKCS #8 */
const PRIVATE_DER = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Signs the questions that credential rules ask of web services; made from the server's secret, so it stays the same. */
export function callbackSigner(secret: Uint8Array): CallbackSigner {
  const seed = Buffer.from(hkdfSync('sha256', secret, '', 'spawnpoint credential callbacks', 32))
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_DER, seed]), format: 'der', type: 'pkcs8' })
  const publicDer = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const keyId = createHash('sha256').update(publicDer).digest('base64url').slice(0, 16)
  return { privateKey: key.export({ format: 'pem', type: 'pkcs8' }).toString(), keyId, issuer: ISSUER }
}

/** What the services check its signatures with (RFC 7517). */
export function callbackKeys(secret: Uint8Array): { keys: JsonWebKey[] } {
  const { privateKey, keyId } = callbackSigner(secret)
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  return { keys: [{ ...jwk, kid: keyId, alg: 'EdDSA', use: 'sig' }] }
}
