/**
 * The standard's own `toBase64`, which Node 24 lacks and the protobuf library looks for when it is loaded. Without it, output
 * of processes is encoded by a loop in JavaScript, five times slower.
 */
if (!('toBase64' in Uint8Array.prototype)) {
  Object.defineProperty(Uint8Array.prototype, 'toBase64', {
    configurable: true,
    writable: true,
    value(this: Uint8Array, options: { alphabet?: 'base64' | 'base64url'; omitPadding?: boolean } = {}): string {
      const bytes = Buffer.from(this.buffer, this.byteOffset, this.byteLength)
      const { alphabet = 'base64', omitPadding = false } = options
      const text = bytes.toString(alphabet)
      // Node leaves the padding out of the second alphabet only.
      if (alphabet === 'base64') return omitPadding ? text.replace(/=+$/, '') : text
      return omitPadding ? text : text.padEnd(Math.ceil(text.length / 4) * 4, '=')
    },
  })
}
