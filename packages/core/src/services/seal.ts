import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Encrypts what is kept but never shown: AES-256-GCM with a key of its own for each purpose, made from the server's secret.
 * Sealed text is base64 of `version | nonce | tag | ciphertext`. It opens only for the subject that it was sealed for, so
 * that a row which is copied to another's place opens nothing.
 */
export class Seal {
  readonly #secret: Uint8Array
  readonly #purpose: string
  #made?: Buffer

  constructor(secret: Uint8Array, purpose: string) {
    this.#secret = secret
    this.#purpose = purpose
  }

  /** Made when first needed: most of what a start does needs none. */
  get #key(): Buffer {
    this.#made ??= Buffer.from(hkdfSync('sha256', this.#secret, '', `spawnpoint seal ${this.#purpose}`, 32))
    return this.#made
  }

  seal(subject: string, text: string): string {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(subject))
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), sealed]).toString('base64')
  }

  /** `null` if it was sealed with another secret, for another subject, or was changed. */
  open(subject: string, sealed: string): string | null {
    const bytes = Buffer.from(sealed, 'base64')
    if (bytes.length < 1 + NONCE_BYTES + TAG_BYTES || bytes[0] !== VERSION) return null
    const nonce = bytes.subarray(1, 1 + NONCE_BYTES)
    const tag = bytes.subarray(1 + NONCE_BYTES, 1 + NONCE_BYTES + TAG_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES })
    try {
      decipher.setAAD(Buffer.from(subject)).setAuthTag(tag)
      const text = decipher.update(bytes.subarray(1 + NONCE_BYTES + TAG_BYTES))
      return Buffer.concat([text, decipher.final()]).toString('utf8')
    } catch {
      return null // the tag does not fit
    }
  }
}
