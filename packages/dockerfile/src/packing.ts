import { constants, gunzipSync } from 'node:zlib'

export type Packing = 'tar' | 'gzip' | 'bzip2' | 'xz' | 'zstd'

/** What a file is packed with that ADD would unpack, told by its first kibibyte. A gzip of anything else is no archive. */
export function packingOf(head: Buffer): Packing | null {
  if (isTar(head)) return 'tar'
  if (head[0] === 0x1f && head[1] === 0x8b) return isTar(unzippedStart(head)) ? 'gzip' : null
  if (head.subarray(0, 3).toString('latin1') === 'BZh') return 'bzip2'
  if (head.subarray(0, 6).equals(Buffer.from('fd377a585a00', 'hex'))) return 'xz'
  if (head.subarray(0, 4).equals(Buffer.from('28b52ffd', 'hex'))) return 'zstd'
  return null
}

function isTar(head: Buffer): boolean {
  return head.subarray(257, 262).toString('latin1') === 'ustar'
}

function unzippedStart(head: Buffer): Buffer {
  try {
    return gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 2 ** 21 })
  } catch {
    return Buffer.alloc(0) // no gzip after all, or one that nobody would unpack
  }
}
