const ENTER = 0x0d
const TILDE = 0x7e
const DOT = 0x2e

/**
 * Finds `~.` at the beginning of a line among typed bytes, as ssh does: the way out when the program inside answers no more.
 * `~~` passes one tilde on.
 */
export class Escape {
  #state: 'line-start' | 'in-line' | 'after-tilde' = 'line-start'

  feed(typed: Uint8Array): { pass: Uint8Array; leaves: boolean } {
    const pass: number[] = []
    for (const byte of typed) {
      if (this.#state === 'after-tilde') {
        if (byte === DOT) return { pass: Uint8Array.from(pass), leaves: true }
        pass.push(TILDE)
        this.#state = 'in-line'
        if (byte === TILDE) continue
      } else if (this.#state === 'line-start' && byte === TILDE) {
        this.#state = 'after-tilde'
        continue
      }
      pass.push(byte)
      this.#state = byte === ENTER ? 'line-start' : 'in-line'
    }
    return { pass: Uint8Array.from(pass), leaves: false }
  }
}
