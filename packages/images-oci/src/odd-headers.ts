import { ByteReader } from './byte-reader.ts'

const BLOCK = 512
/** Header types that have no content, whatever size they say */
const EMPTY = ['1', '2', '3', '4', '5', '6']
const MAX_EXTENDED_BYTES = 2 ** 20
const XATTR = 'SCHILY.xattr.'

/**
 * A layer's archive without what engines pass over and umoci refuses: global headers, which `git archive` writes, and
 * attributes that the kernel keeps for its own modules (`security.ima`). `found` is called for each. What is no archive is
 * passed on for umoci to refuse.
 */
export async function* withoutOddHeaders(archive: AsyncIterable<Buffer>, found: () => void): AsyncGenerator<Buffer> {
  const input = new ByteReader(archive)
  /** Of the next entry, where its own header has no room for it */
  let told: number | null = null
  for (;;) {
    const header = await input.take(BLOCK)
    const size = sizeOf(header)
    if (header.length < BLOCK || size === null) {
      yield header
      yield* input.pieces(Number.POSITIVE_INFINITY)
      return
    }
    const type = String.fromCharCode(header[156] ?? 0)
    if (type === 'g') {
      found()
      await input.skip(padded(size))
    } else if (type === 'x' && size <= MAX_EXTENDED_BYTES) {
      const content = await input.take(padded(size))
      const records = recordsOf(content.subarray(0, size))
      told = sizeAmong(records ?? []) ?? told
      const kept = records?.filter((record) => !isKernels(record))
      if (records === null || kept?.length === records.length) {
        yield header
        yield content
      } else {
        found()
        yield extended(header, Buffer.concat(kept ?? []))
      }
    } else {
      yield header
      yield* input.pieces(EMPTY.includes(type) ? 0 : padded(told ?? size))
      // Long names of GNU's come between.
      if (type !== 'L' && type !== 'K') told = null
    }
  }
}

/** `null` for a block that is no header: the end, or junk. */
function sizeOf(header: Buffer): number | null {
  const field = header.subarray(124, 136)
  if (header.length < BLOCK || header.every((byte) => byte === 0)) return null
  // GNU's way to say what does not fit in digits.
  if (((field[0] ?? 0) & 0x80) !== 0) return field.readUIntBE(6, 6)
  const digits = /^[ \0]*([0-7]*)[ \0]*$/.exec(field.toString('latin1'))?.[1]
  return digits === undefined ? null : Number.parseInt(digits || '0', 8)
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK
}

/** `LENGTH KEY=VALUE\n` one after the other, LENGTH counting itself; `null` for anything else. */
function recordsOf(content: Buffer): Buffer[] | null {
  const records: Buffer[] = []
  for (let at = 0; at < content.length; ) {
    const length = Number(/^(\d{1,8}) /.exec(content.toString('latin1', at, at + 9))?.[1] ?? 0)
    if (length < 1 || at + length > content.length) return null
    records.push(content.subarray(at, at + length))
    at += length
  }
  return records
}

function sizeAmong(records: Buffer[]): number | null {
  const found = records.flatMap((record) => /^\d+ size=(\d{1,15})\n$/.exec(record.toString('latin1'))?.[1] ?? [])
  return found.length === 0 ? null : Number(found.at(-1))
}

function isKernels(record: Buffer): boolean {
  const [, name = ''] = /^\d+ ([^=]*)=/.exec(record.toString('latin1', 0, 300)) ?? []
  return name.startsWith(`${XATTR}security.`) && name !== `${XATTR}security.capability`
}

/** An extended header with other content; without any it says nothing, which is allowed. */
function extended(before: Buffer, content: Buffer): Buffer {
  const header = Buffer.from(before)
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write(' '.repeat(8), 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, content, Buffer.alloc(padded(content.length) - content.length)])
}
