import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { derivedKey } from './derived-key.ts'

const PREFIX = 'sp-ed25519'
/** DER before the 32 bytes of a public Ed25519 key (SPKI) */
const PUBLIC_DER = Buffer.from('302a300506032b6570032100', 'hex')
const SIGNATURE = /^(sp-ed25519:[A-Za-z0-9_-]{43}):([A-Za-z0-9_-]{86})$/

/**
 * Signs what this server sends to others, with a key made from its secret, and tells whether what comes is of a server
 * that this one trusts. Keys are text, `sp-ed25519:` and 43 characters of base64url; a signature begins with its key.
 */
export class Signer {
  readonly #secret: Uint8Array
  readonly #trusted: readonly string[]
  #made?: { key: KeyObject; publicKey: string }

  constructor(secret: Uint8Array, trusted: readonly string[]) {
    this.#secret = secret
    this.#trusted = trusted
  }

  /** For other servers to trust */
  get publicKey(): string {
    return this.#keys().publicKey
  }

  sign(payload: Buffer): string {
    const { key, publicKey } = this.#keys()
    return `${publicKey}:${sign(null, payload, key).toString('base64url')}`
  }

  /** Whose signature it is; `null` if it is none of this payload. */
  signerOf(payload: Buffer, signature: string): string | null {
    const [, key = '', given = ''] = SIGNATURE.exec(signature) ?? []
    if (key === '') return null
    const raw = Buffer.from(key.slice(PREFIX.length + 1), 'base64url')
    try {
      const spki = createPublicKey({ key: Buffer.concat([PUBLIC_DER, raw]), format: 'der', type: 'spki' })
      return verify(null, payload, spki, Buffer.from(given, 'base64url')) ? key : null
    } catch {
      return null // not a point on the curve
    }
  }

  trusts(key: string): boolean {
    return key === this.publicKey || this.#trusted.includes(key)
  }

  /** Made when first needed: most of what a start does needs none. */
  #keys(): { key: KeyObject; publicKey: string } {
    if (this.#made === undefined) {
      const key = derivedKey(this.#secret, 'spawnpoint archive signing')
      const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
      this.#made = { key, publicKey: `${PREFIX}:${spki.subarray(PUBLIC_DER.length).toString('base64url')}` }
    }
    return this.#made
  }
}

export function isPublicKey(text: string): boolean {
  return /^sp-ed25519:[A-Za-z0-9_-]{43}$/.test(text)
}
