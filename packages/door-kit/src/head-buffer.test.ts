import fc from 'fast-check'
import { expect, it } from 'vitest'
import { HeadBuffer } from './head-buffer.ts'

it('has the first bytes of what came, in whatever pieces, and leaves these as they were', () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 })
  fc.assert(
    fc.property(pieces, fc.nat({ max: 200 }), (given, limit) => {
      const all = Buffer.concat(given)
      const head = new HeadBuffer(limit)
      for (const piece of given) head.add(Buffer.from(piece.buffer, piece.byteOffset, piece.length))
      expect(head.bytes()).toEqual(all.subarray(0, limit))
      expect([head.length, head.isCut]).toEqual([Math.min(limit, all.length), all.length > limit])
      expect(Buffer.concat(given)).toEqual(all)
    }),
  )
})

it('takes hardly more memory than there are bytes', () => {
  const head = new HeadBuffer(8 * 2 ** 20)
  const frame = Buffer.alloc(64 * 1024, 'x')
  for (let at = 0; at < 1_000_000; at += 1) head.add(frame.subarray(at % frame.length, (at % frame.length) + 1))
  expect(head.length).toBe(1_000_000)
  expect(head.bytes().buffer.byteLength).toBeLessThan(2_500_000)
})
