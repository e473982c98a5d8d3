import { createHash, createPublicKey, type JsonWebKey } from 'node:crypto'
import type { CallbackSigner } from '../ports/index.ts'
import { derivedKey } from './derived-key.ts'

const ISSUER = 'spawnpoint'

/** Signs the questions that credential rules ask of web services; made from the server's secret, so it stays the same. */
export function callbackSigner(secret: Uint8Array): CallbackSigner {
  const key = derivedKey(secret, 'spawnpoint credential callbacks')
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
