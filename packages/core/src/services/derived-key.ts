import { createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto'

/** DER before the 32 bytes of an Ed25519 key in PKCS #8 */
const PRIVATE_DER = Buffer.from('302e020100300506032b657004220420', 'hex')

/** A private Ed25519 key of its own for each purpose, made from the server's secret: always the same. */
export function derivedKey(secret: Uint8Array, purpose: string): KeyObject {
  const seed = Buffer.from(hkdfSync('sha256', secret, '', purpose, 32))
  return createPrivateKey({ key: Buffer.concat([PRIVATE_DER, seed]), format: 'der', type: 'pkcs8' })
}
