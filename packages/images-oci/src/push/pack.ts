import { createHash, type Hash } from 'node:crypto'
import { open, statfs } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { SpawnpointError } from '@spawnpoint/core'
import { runConfined } from '../confined.ts'
import { diskError } from '../limits.ts'
import type { Descriptor } from '../manifest.ts'

export interface PackOptions {
  timeoutMs: number
  signal: AbortSignal
  /** Called with the bytes of the archive so far, before they are packed */
  packed: (bytes: number) => void
}

export interface PackedLayer extends Descriptor {
  path: string
  /** Of the archive before it was packed */
  diffId: string
}

/** The disk under the data directory may be the pool's, which turns read-only when it is full. */
const HOST_RESERVE = 2 * 2 ** 30
const CHECK_SPACE_BYTES = 64 * 2 ** 20
/** Twice as fast as zlib's own choice, and a few percent larger */
const GZIP_LEVEL = 4

/**
 * Writes a root filesystem as a layer to `path`: owners by number, links, extended attributes and capabilities. tar reads it in
 * a cage, follows no link, and stays on its file system. What the runtime mounts over is left out, and so are sockets.
 */
export async function packRoot(rootPath: string, path: string, options: PackOptions): Promise<PackedLayer> {
  const { timeoutMs, signal, packed } = options
  let layer: PackedLayer | null = null
  await runConfined({
    step: 'pack the root filesystem',
    program: 'tar',
    args: [
      ...['--create', '--file=-', '--directory=/rootfs', '--numeric-owner', '--one-file-system', '--sort=name'],
      ...['--format=posix', '--pax-option=delete=atime,delete=ctime', '--xattrs', '--xattrs-include=*'],
      ...['--warning=no-file-ignored', '--warning=no-file-changed', '--exclude=./.spawnpoint', '.'],
    ],
    readable: [['/rootfs', rootPath]],
    writable: [],
    capabilities: ['CAP_DAC_READ_SEARCH'],
    fileBytes: 0,
    timeoutMs,
    signal,
    output: async (stdout) => {
      layer = await packStream(stdout, path, packed)
    },
  })
  if (layer === null) throw new Error('tar ended without output')
  return layer
}

async function packStream(plain: Readable, path: string, packed: (bytes: number) => void): Promise<PackedLayer> {
  await using file = await open(path, 'w', 0o600)
  const [inner, outer] = [createHash('sha256'), createHash('sha256')]
  let size = 0
  let checkedAt = 0
  const keep = async (pieces: AsyncIterable<Buffer>) => {
    for await (const piece of hashed(pieces, outer)) {
      size += piece.length
      if (size - checkedAt >= CHECK_SPACE_BYTES) {
        checkedAt = size
        await needRoom(path)
      }
      await file.appendFile(piece).catch(diskError)
    }
  }
  let bytes = 0
  const counted = async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of hashed(pieces, inner)) {
      bytes += piece.length
      packed(bytes)
      yield piece
    }
  }
  await needRoom(path)
  await pipeline(plain, counted, createGzip({ level: GZIP_LEVEL }), keep)
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: `sha256:${outer.digest('hex')}`,
    size,
    path,
    diffId: `sha256:${inner.digest('hex')}`,
  }
}

async function* hashed(pieces: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    hash.update(piece)
    yield piece
  }
}

async function needRoom(path: string): Promise<void> {
  const { bavail, bsize } = await statfs(path)
  const freeBytes = bavail * bsize
  if (freeBytes >= HOST_RESERVE) return
  throw new SpawnpointError('disk_full', 'No space is left for the packed image', { freeBytes })
}
