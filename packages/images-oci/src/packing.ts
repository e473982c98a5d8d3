import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress, type ZstdDecompress, constants as zlib } from 'node:zlib'
import { diskError, tooLarge } from './limits.ts'
import { malformed } from './manifest.ts'
import { withoutOddHeaders } from './odd-headers.ts'
import { isZstd, zstdFrames } from './zstd-frames.ts'

export type Packing = 'gzip' | 'zstd' | 'plain'

/** As zstd's own default: what needs a larger window was made to need it. */
const MAX_WINDOW_LOG = 27

/** For what `zstdFrames` gives. */
export function zstdUnpacker(): ZstdDecompress {
  return createZstdDecompress({ params: { [zlib.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG } })
}

/** Told by the first bytes: media types and names of files are not always true. */
export async function packingOf(path: string): Promise<Packing> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
  const magic = buffer.subarray(0, bytesRead)
  if (magic[0] === 0x1f && magic[1] === 0x8b) return 'gzip'
  return isZstd(magic) ? 'zstd' : 'plain'
}

/** Gives a file's content to `take` as it is without its packing. Rejects `runtime_failed` for what cannot be unpacked. */
export async function readPlain(
  path: string,
  packing: Packing,
  take: (plain: AsyncIterable<Buffer>) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const input = createReadStream(path)
  const done = {
    plain: () => pipeline(input, take, { signal }),
    gzip: () => pipeline(input, createGunzip(), take, { signal }),
    zstd: () => pipeline(input, zstdFrames, zstdUnpacker(), take, { signal }),
  }[packing]()
  await done.catch((error: NodeJS.ErrnoException) => {
    throw /^Z(STD)?_/.test(error.code ?? '')
      ? malformed(`it cannot be unpacked with ${packing} (${error.code})`)
      : error
  })
}

/** Whether a layer has headers that umoci refuses. */
export async function hasOddHeaders(path: string, packing: Packing, signal: AbortSignal): Promise<boolean> {
  let odd = false
  const look = async (plain: AsyncIterable<Buffer>) => {
    const rest = withoutOddHeaders(plain, () => {
      odd = true
    })
    for await (const _ of rest) if (odd) return
  }
  await readPlain(path, packing, look, signal)
  return odd
}

/**
 * With `tidy` a layer is written without odd headers. Returns the digest of what was unpacked, and digest and size of what was
 * written. Rejects `payload_too_large` beyond `limitBytes`, `runtime_failed` for what cannot be unpacked.
 */
export async function unpackFile(
  from: string,
  packing: Packing,
  to: string,
  { limitBytes, tidy = false }: { limitBytes: number; tidy?: boolean },
  signal: AbortSignal,
): Promise<{ digest: string; kept: string; size: number }> {
  const written = createHash('sha256')
  const all = tidy ? createHash('sha256') : written
  let size = 0
  await using file = await open(to, 'w', 0o600)
  const tidied = (plain: AsyncIterable<Buffer>) => withoutOddHeaders(hashed(plain, all), () => {})
  const keep = async (plain: AsyncIterable<Buffer>) => {
    for await (const piece of tidy ? tidied(plain) : plain) {
      size += piece.length
      if (size > limitBytes) throw tooLarge(limitBytes)
      written.update(piece)
      await file.appendFile(piece).catch(diskError)
    }
  }
  await readPlain(from, packing, keep, signal)
  const kept = `sha256:${written.digest('hex')}`
  return { digest: tidy ? `sha256:${all.digest('hex')}` : kept, kept, size }
}

async function* hashed(pieces: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    hash.update(piece)
    yield piece
  }
}
