import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdDecompress, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { isZstd, zstdFrames } from './zstd-frames.ts'

/** A frame that says nothing, of so many bytes. */
function skippable(bytes: number, kind = 0): Buffer {
  const frame = Buffer.alloc(8 + bytes, 'x')
  frame.writeUInt32LE(0x184d2a50 + kind, 0)
  frame.writeUInt32LE(bytes, 4)
  return frame
}

async function unpacked(packed: Buffer, pieceBytes = 65_536): Promise<Buffer> {
  const pieces = Array.from({ length: Math.ceil(packed.length / pieceBytes) }, (_, index) =>
    packed.subarray(index * pieceBytes, (index + 1) * pieceBytes),
  )
  const plain: Buffer[] = []
  await pipeline(Readable.from(pieces, { objectMode: false }), zstdFrames, createZstdDecompress(), async (source) => {
    for await (const piece of source) plain.push(piece)
  })
  return Buffer.concat(plain)
}

const zstd = (text: string | Buffer, params: Record<number, number> = {}) =>
  zstdCompressSync(Buffer.from(text), { params })
const checked = { [constants.ZSTD_c_checksumFlag]: 1 }
const sizeless = { [constants.ZSTD_c_contentSizeFlag]: 0 }

describe('frames of zstd', () => {
  it.each<[string, string, Buffer]>([
    ['one', 'one', zstd('one')],
    ['several', 'onetwothree', Buffer.concat([zstd('one'), zstd('two'), zstd('three')])],
    ['with checksums', 'onetwo', Buffer.concat([zstd('one', checked), zstd('two', checked)])],
    ['without sizes', 'onetwo', Buffer.concat([zstd('one', sizeless), zstd('two', { ...checked, ...sizeless })])],
    ['of one byte again and again', 'a'.repeat(3_000_000), Buffer.concat([zstd('a'.repeat(3_000_000)), zstd('')])],
    ['that are empty', 'end', Buffer.concat([zstd(''), zstd('', checked), zstd('end')])],
    ['to skip at both ends', 'one', Buffer.concat([skippable(3), zstd('one'), skippable(0, 15), skippable(40, 7)])],
    ['to skip between', 'onetwo', Buffer.concat([zstd('one'), skippable(70_000), zstd('two')])],
  ])('%s', async (_, plain, packed) => {
    expect(isZstd(packed)).toBe(true)
    for (const pieceBytes of [1, 7, 65_536].filter((bytes) => packed.length / bytes < 100_000)) {
      expect((await unpacked(packed, pieceBytes)).toString()).toBe(plain)
    }
  })

  it('of any size, however they come', async () => {
    const contents = [0, 1, 300, 70_000, 2 ** 20, 3_333_333].map((bytes) => randomBytes(bytes))
    const packed = Buffer.concat(contents.flatMap((content) => [zstd(content), skippable(content.length % 5)]))
    for (const pieceBytes of [997, 65_536, packed.length]) {
      expect((await unpacked(packed, pieceBytes)).equals(Buffer.concat(contents))).toBe(true)
    }
  })

  it.each([
    ['that end too early', zstd(randomBytes(5_000)).subarray(0, 4_000)],
    ['of which the second ends too early', Buffer.concat([zstd('one'), zstd(randomBytes(500)).subarray(0, 300)])],
    ['and something else after them', Buffer.concat([zstd('one'), Buffer.from('something else')])],
    ['whose checksum is wrong', Buffer.concat([zstd('one', checked).subarray(0, -4), Buffer.from('zzzz')])],
    ['that are none', Buffer.from('nothing of the kind')],
  ])('%s are refused', async (_, packed) => {
    await expect(unpacked(packed)).rejects.toMatchObject({ code: expect.stringMatching(/^Z/) })
  })

  it('are told by how they begin', () => {
    for (const [bytes, is] of [
      ['28b52ffd', true],
      ['502a4d18', true],
      ['5f2a4d18', true],
      ['602a4d18', false],
      ['1f8b0800', false],
      ['28b52f', false],
      ['', false],
    ] as const) {
      expect(isZstd(Buffer.from(bytes, 'hex'))).toBe(is)
    }
  })
})
