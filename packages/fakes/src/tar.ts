import { gunzipSync } from 'node:zlib'
import { invalidArgument } from '@spawnpoint/core'

export interface TarEntry {
  name: string
  type: 'file' | 'directory' | 'symlink' | 'link' | 'other'
  mode: number
  /** Absent for 0 */
  uid?: number
  gid?: number
  target: string
  data: Buffer
}

const BLOCK = 512
const TYPES: Record<string, TarEntry['type']> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
}

/** The entries of a ustar archive, plain or gzip. Throws `invalid_argument`. */
export function readTar(given: Buffer): TarEntry[] {
  const bytes = given[0] === 0x1f && given[1] === 0x8b ? gunzipSync(given) : given
  const entries: TarEntry[] = []
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0; ) {
    const header = bytes.subarray(at, at + BLOCK)
    const field = (from: number, length: number) => {
      const raw = header.subarray(from, from + length)
      const end = raw.indexOf(0)
      return raw.subarray(0, end === -1 ? length : end).toString('utf8')
    }
    const size = Number.parseInt(field(124, 12), 8)
    if (field(257, 5) !== 'ustar' || Number.isNaN(size) || at + BLOCK + size > bytes.length)
      throw invalidArgument('', 'the archive cannot be read')
    const prefix = field(345, 155)
    entries.push({
      name: prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`,
      type: TYPES[String.fromCharCode(header[156] ?? 0)] ?? 'other',
      mode: Number.parseInt(field(100, 8), 8) & 0o7777,
      uid: Number.parseInt(field(108, 8), 8),
      gid: Number.parseInt(field(116, 8), 8),
      target: field(157, 100),
      data: bytes.subarray(at + BLOCK, at + BLOCK + size),
    })
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
  if (entries.length === 0 && bytes.length % BLOCK !== 0) throw invalidArgument('', 'the archive cannot be read')
  return entries
}

/** A ustar archive; names of at most 100 bytes. */
export function writeTar(entries: TarEntry[]): Buffer {
  const blocks: Buffer[] = []
  for (const { name, type, mode, uid = 0, gid = 0, target, data } of entries) {
    const header = Buffer.alloc(BLOCK)
    header.write(name, 0, 100)
    header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100)
    header.write(`${uid.toString(8).padStart(7, '0')}\0`, 108)
    header.write(`${gid.toString(8).padStart(7, '0')}\0`, 116)
    header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124)
    header.write('00000000000\0', 136)
    header.write(' '.repeat(8), 148)
    header.write(Object.entries(TYPES).find(([code, known]) => known === type && code !== '\0')?.[0] ?? '3', 156)
    header.write(target, 157, 100)
    header.write('ustar\x0000', 257, 'latin1')
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    blocks.push(header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK))
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)])
}
