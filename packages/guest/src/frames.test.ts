import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkFailure, checkFile, checkProcess, parseJson } from './checks.ts'
import {
  encodeFrame,
  encodeText,
  FrameParser,
  type FrameType,
  MAX_PAYLOAD_BYTES,
  MarkerScanner,
  makePreamble,
  ProtocolViolation,
} from './frames.ts'

interface Taken {
  type: number
  flags: number
  channel: number
  payload: Buffer
}

/** Feeds the bytes cut at the given places. */
function parse(bytes: Buffer, cuts: number[], parser = new FrameParser()): Taken[] {
  const taken: Taken[] = []
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  let at = 0
  for (const place of places) {
    parser.push(bytes.subarray(at, place), (type, flags, channel, payload) => {
      taken.push({ type, flags, channel, payload: Buffer.from(payload) })
    })
    at = place
  }
  return taken
}

const frame = fc.record({
  type: fc.integer({ min: 1, max: 7 }).map((type) => type as FrameType),
  flags: fc.integer({ min: 0, max: 3 }),
  channel: fc.integer({ min: 0, max: 0xffffffff }),
  payload: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
})

describe('frames', () => {
  test('come out as they went in, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 40 }), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map((f) => encodeFrame(f.type, f.flags, f.channel, f.payload)))
        expect(parse(bytes, cuts)).toEqual(frames)
      }),
    )
  })

  test('any changed bit is a violation, and what came before it is not lost', () => {
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 5 }), fc.nat(), fc.nat(7), (frames, place, bit) => {
        const encoded = frames.map((f) => encodeFrame(f.type, f.flags, f.channel, f.payload))
        const bytes = Buffer.concat(encoded)
        const at = place % bytes.length
        bytes[at] = (bytes[at] as number) ^ (1 << bit)
        const taken: Taken[] = []
        const push = () =>
          new FrameParser().push(bytes, (type, flags, channel, payload) => {
            taken.push({ type, flags, channel, payload: Buffer.from(payload) })
          })
        let whole = 0
        for (let end = 0; end <= at; whole++) end += encoded[whole]?.length ?? 0
        try {
          push()
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolViolation)
        }
        // A longer length makes the parser wait for more; it never takes the changed frame.
        expect(taken).toEqual(frames.slice(0, whole - 1))
      }),
    )
  })

  test('garbage ends in a violation or in waiting, nothing else, and never in more than one frame of memory', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 10 }), (garbage, cuts) => {
        try {
          parse(Buffer.from(garbage), cuts)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolViolation)
        }
      }),
      { numRuns: 500 },
    )
    const huge = encodeFrame(4, 0, 1, Buffer.alloc(0))
    huge.writeUInt32LE(MAX_PAYLOAD_BYTES + 1, 8)
    expect(() => parse(huge, [])).toThrow('frame of 65537 bytes')
  })

  test('long texts are split and carry their flags on the last frame', () => {
    const text = Buffer.alloc(3 * MAX_PAYLOAD_BYTES + 5, 'x')
    const taken = parse(Buffer.concat(encodeText(1, 2, 9, text)), [])
    expect(taken.map((f) => [f.flags, f.payload.length])).toEqual([
      [1, MAX_PAYLOAD_BYTES],
      [1, MAX_PAYLOAD_BYTES],
      [1, MAX_PAYLOAD_BYTES],
      [2, 5],
    ])
  })
})

test('the marker is found in any rubbish, cut anywhere', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 500 }),
      fc.nat(40),
      fc.uint8Array({ maxLength: 50 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (before, half, after, cuts) => {
        const { marker } = makePreamble({ fresh: false })
        const other = makePreamble({ fresh: false }).marker.subarray(0, half)
        const bytes = Buffer.concat([before, other, marker, after])
        const places = [...cuts.map((cut) => cut % bytes.length), bytes.length].sort((a, b) => a - b)
        const scanner = new MarkerScanner(marker)
        const behind: Buffer[] = []
        let found = false
        let at = 0
        for (const place of places) {
          const piece = bytes.subarray(at, place)
          at = place
          if (found) behind.push(piece)
          else {
            const rest = scanner.push(piece)
            if (rest !== null) {
              found = true
              behind.push(rest)
            }
          }
        }
        expect(found).toBe(true)
        expect(Buffer.concat(behind)).toEqual(Buffer.from(after))
      },
    ),
  )
})

describe('checks of what the guest says', () => {
  test('refuse deep nesting, but not braces in strings', () => {
    expect(() => parseJson(Buffer.from('['.repeat(17) + ']'.repeat(17)))).toThrow(ProtocolViolation)
    expect(() => parseJson(Buffer.from('{"a":'.repeat(100_000)))).toThrow(ProtocolViolation)
    expect(parseJson(Buffer.from(JSON.stringify({ a: '{['.repeat(50) })))).toEqual({ a: '{['.repeat(50) })
    expect(() => parseJson(Buffer.from('{"a":"\\"'))).toThrow(ProtocolViolation)
  })

  test('accept or refuse any value, and throw nothing but violations', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.anything()), (value) => {
        for (const check of [checkProcess, checkFile, checkFailure]) {
          try {
            check(value)
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolViolation)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('drop what they do not know', () => {
    const failure = { kind: 'guest_error', message: 'no', errno: 'ENOENT', extra: 'x', __proto__: { path: '/x' } }
    expect(checkFailure(JSON.parse(JSON.stringify(failure)))).toEqual({
      kind: 'guest_error',
      message: 'no',
      errno: 'ENOENT',
      path: null,
      what: null,
    })
    expect(checkFailure({ ...failure, what: 'weather' }).what).toBeNull()
    expect(checkFailure({ ...failure, what: 'cwd' }).what).toBe('cwd')
  })
})
