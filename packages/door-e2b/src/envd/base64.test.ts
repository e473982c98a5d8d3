import './base64.ts'
import fc from 'fast-check'
import { expect, it } from 'vitest'

type ToBase64 = (options?: { alphabet?: 'base64' | 'base64url'; omitPadding?: boolean }) => string

function toBase64(bytes: Uint8Array): ToBase64 {
  if (!('toBase64' in bytes) || typeof bytes.toBase64 !== 'function') throw new Error('there is none')
  return bytes.toBase64.bind(bytes)
}

it('is what the standard says, in both alphabets, with and without padding', () => {
  const bytes = Uint8Array.from([0xfb, 0xff, 0xfe, 0x00])
  const encode = toBase64(bytes)
  expect([
    encode(),
    encode({ omitPadding: true }),
    encode({ alphabet: 'base64url' }),
    encode({ alphabet: 'base64url', omitPadding: true }),
  ]).toEqual(['+//+AA==', '+//+AA', '-__-AA==', '-__-AA'])
})

it('encodes the part of a buffer that is meant', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat(50), (bytes, from) => {
      const part = bytes.subarray(Math.min(from, bytes.length))
      expect(Buffer.from(toBase64(part)(), 'base64')).toEqual(Buffer.from(part))
    }),
  )
})
