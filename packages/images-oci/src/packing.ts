import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress, constants as zlib } from 'node:zlib'
import { diskError, tooLarge } from './limits.ts'
import { malformed } from './manifest.ts'

export type Packing = 'gzip' | 'zstd' | 'plain'

/** As zstd's own default: what needs a larger window was made to need it. */
export const MAX_WINDOW_LOG = 27

/** Told by the first bytes: media types and names of files are not always true. */
export async function packingOf(path: string): Promise<Packing> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
  const magic = buffer.subarray(0, bytesRead)
  if (magic[0] === 0x1f && magic[1] === 0x8b) return 'gzip'
  return magic.length === 4 && magic.readUInt32LE() === 0xfd2fb528 ? 'zstd' : 'plain'
}

/** Rejects `payload_too_large` beyond `limitBytes`, `runtime_failed` for what cannot be unpacked. */
export async function unpackFile(
  from: string,
  packing: 'gzip' | 'zstd',
  to: string,
  limitBytes: number,
  signal: AbortSignal,
): Promise<{ digest: string; size: number }> {
  const hash = createHash('sha256')
  let size = 0
  await using file = await open(to, 'w', 0o600)
  const keep = async (plain: AsyncIterable<Buffer>) => {
    for await (const piece of plain) {
      size += piece.length
      if (size > limitBytes) throw tooLarge(limitBytes)
      hash.update(piece)
      await file.appendFile(piece).catch(diskError)
    }
  }
  const unpacker =
    packing === 'gzip'
      ? createGunzip()
      : createZstdDecompress({ params: { [zlib.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG } })
  await pipeline(createReadStream(from), unpacker, keep, { signal }).catch((error: NodeJS.ErrnoException) => {
    throw /^Z(STD)?_/.test(error.code ?? '')
      ? malformed(`it cannot be unpacked with ${packing} (${error.code})`)
      : error
  })
  return { digest: `sha256:${hash.digest('hex')}`, size }
}
