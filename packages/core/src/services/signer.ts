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
  /** For other servers to trust */
  readonly publicKey: string
  readonly #key: KeyObject
  readonly #trusted: ReadonlySet<string>

  constructor(secret: Uint8Array, trusted: readonly string[]) {
    this.#key = derivedKey(secret, 'spawnpoint archive signing')
    const spki = createPublicKey(this.#key).export({ format: 'der', type: 'spki' })
    this.publicKey = `${PREFIX}:${spki.subarray(PUBLIC_DER.length).toString('base64url')}`
    this.#trusted = new Set([this.publicKey, ...trusted])
  }

  sign(payload: Buffer): string {
    return `${this.publicKey}:${sign(null, payload, this.#key).toString('base64url')}`
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
    return this.#trusted.has(key)
  }
}

export function isPublicKey(text: string): boolean {
  return /^sp-ed25519:[A-Za-z0-9_-]{43}$/.test(text)
}
