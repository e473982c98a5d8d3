import { ByteReader } from './byte-reader.ts'

const FRAME = 0xfd2fb528
/** The last four bits are the writer's. */
const SKIPPABLE = 0x184d2a50
const RLE_BLOCK = 1
const DICTIONARY_BYTES = [0, 1, 2, 4]
const CONTENT_SIZE_BYTES = [0, 2, 4, 8]
const CHECKSUM_BYTES = 4
const PIECE_BYTES = 128 * 2 ** 10

/** Whether what begins like this is packed with zstd: parallel packers begin with a frame to skip. */
export function isZstd(beginning: Buffer): boolean {
  return beginning.length >= 4 && (beginning.readUInt32LE() === FRAME || isSkippable(beginning))
}

/**
 * What is packed with zstd, in pieces that end where a frame ends, and without frames to skip. Node's own unpacker takes
 * a piece for the last one if a frame ends in it, and says nothing; who packs in parallel, or so that files can be had one by one
 * (zstd:chunked), writes many frames. What is no frame is passed on for the unpacker to refuse.
 */
export async function* zstdFrames(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const input = new ByteReader(packed)
  for (;;) {
    const magic = await input.take(4)
    if (magic.length === 0) return
    if (isSkippable(magic)) {
      const length = await input.take(4)
      await input.skip(length.length === 4 ? length.readUInt32LE() : 0)
      continue
    }
    let pending: Buffer[] = [magic]
    let pendingBytes = magic.length
    for await (const piece of restOfFrame(input)) {
      pending.push(piece)
      pendingBytes += piece.length
      if (pendingBytes < PIECE_BYTES) continue
      yield Buffer.concat(pending)
      pending = []
      pendingBytes = 0
    }
    if (pendingBytes > 0) yield Buffer.concat(pending)
  }
}

/** RFC 8878, 3.1.1: a header, blocks that say their sizes and which is the last, a checksum. */
async function* restOfFrame(input: ByteReader): AsyncGenerator<Buffer> {
  const descriptor = await input.take(1)
  yield descriptor
  const flags = descriptor[0] ?? 0
  const single = (flags & 0x20) !== 0
  const sizeBytes = (flags >> 6 === 0 && single ? 1 : CONTENT_SIZE_BYTES[flags >> 6]) ?? 0
  yield input.take((single ? 0 : 1) + (DICTIONARY_BYTES[flags & 3] ?? 0) + sizeBytes)
  for (let last = false; !last; ) {
    const header = await input.take(3)
    yield header
    if (header.length < 3) return
    const said = header.readUIntLE(0, 3)
    last = (said & 1) === 1
    yield* input.pieces(((said >> 1) & 3) === RLE_BLOCK ? 1 : said >> 3)
  }
  if ((flags & 4) !== 0) yield input.take(CHECKSUM_BYTES)
}

function isSkippable(magic: Buffer): boolean {
  return magic.length >= 4 && (magic.readUInt32LE() & ~0xf) === SKIPPABLE
}
