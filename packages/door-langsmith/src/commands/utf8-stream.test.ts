import { describe, expect, it } from 'vitest'
import { type TextPiece, Utf8Stream } from './utf8-stream.ts'

const TEXT = 'aé€😀z\ufeffñ'

/** What a client makes of it: text, and the position it would come back for. */
function read(stream: Utf8Stream, bytes: Buffer, cut: number): { text: string; next: number; whole: boolean } {
  const pieces: (TextPiece | null)[] = []
  for (let at = 0; at < bytes.length; at += cut) pieces.push(stream.push(bytes.subarray(at, at + cut)))
  pieces.push(stream.end())
  const there = pieces.filter((piece) => piece !== null)
  const last = there.at(-1)
  return {
    text: there.map(({ data }) => data).join(''),
    next: last === undefined ? 0 : last.offset + Buffer.byteLength(last.data),
    whole: there.every((piece, n) => n === 0 || piece.offset === endOf(there[n - 1])),
  }
}

function endOf(piece: TextPiece | undefined): number {
  return piece === undefined ? 0 : piece.offset + Buffer.byteLength(piece.data)
}

describe('text of a stream', () => {
  it.each([1, 2, 3, 4, 5, 100])('is whole characters, however the bytes come: %i at a time', (cut) => {
    const bytes = Buffer.from(TEXT)
    expect(read(new Utf8Stream(), bytes, cut)).toEqual({ text: TEXT, next: bytes.length, whole: true })
  })

  it.each([1, 3, 7])('goes on from every place that a client has got to', (cut) => {
    const chars = [...TEXT]
    for (let n = 0; n <= chars.length; n += 1) {
      const from = Buffer.byteLength(chars.slice(0, n).join(''))
      const { text } = read(new Utf8Stream(from), Buffer.from(TEXT), cut)
      expect(text).toBe(chars.slice(n).join(''))
    }
  })

  it.each([
    ['a byte that begins nothing', Buffer.from([0x61, 0xff, 0x62])],
    ['a character that is never ended', Buffer.from([0x61, 0xe2, 0x82])],
    ['one that another breaks off', Buffer.from([0xf0, 0x9f, 0x61, 0xe2, 0x61])],
    ['continuations of nothing', Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x61])],
  ])('counts what it shows in place of %s', (_what, bytes) => {
    const expected = new TextDecoder().decode(bytes)
    for (const cut of [1, 2, 3, 10]) {
      expect(read(new Utf8Stream(), bytes, cut)).toEqual({
        text: expected,
        next: Buffer.byteLength(expected),
        whole: true,
      })
    }
  })

  it('begins anew after a gap in the middle of a character', () => {
    const stream = new Utf8Stream()
    const [before, after] = [Buffer.from('ab€').subarray(0, 3), Buffer.from('€cd').subarray(1)]
    expect(stream.push(before)).toEqual({ offset: 0, data: 'ab' })
    stream.gap(10)
    expect(stream.push(after)).toEqual({ offset: 15, data: 'cd' })
  })
})
