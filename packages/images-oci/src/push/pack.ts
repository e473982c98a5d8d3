import { createHash, type Hash } from 'node:crypto'
import { open, statfs } from 'node:fs/promises'
import type { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip, createZstdCompress } from 'node:zlib'
import { runConfined } from '@spawnpoint/confined'
import { SpawnpointError } from '@spawnpoint/core'
import { diskError } from '../limits.ts'
import type { Descriptor } from '../manifest.ts'
import type { Difference } from './difference.ts'

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
 * Writes a directory as a layer to `path`: owners by number, links, extended attributes and capabilities. tar reads it in a
 * cage, follows no link, and stays on its file system. Of a root, what the agent is mounted over is left out, and so are
 * sockets.
 */
export async function packDirectory(
  dir: string,
  path: string,
  kind: { mediaType: string; packing: 'gzip' | 'zstd' },
  options: PackOptions,
): Promise<PackedLayer> {
  const what = { args: ['--sort=name', '--exclude=./.spawnpoint', '--directory=/from', '.'], readable: [] }
  return packWith(dir, what, path, kind, options)
}

/** The same of what a tree has over another: first the marks of what is gone, then what is new. */
export async function packDifference(
  dir: string,
  { changed, removed, whiteouts }: Difference,
  path: string,
  kind: { mediaType: string; packing: 'gzip' | 'zstd' },
  options: PackOptions,
): Promise<PackedLayer> {
  const args = [
    ...['--no-recursion', '--null'],
    ...['--directory=/whiteouts', '--files-from=/removed', '--directory=/from', '--files-from=/changed'],
  ]
  const readable: [string, string][] = [
    ['/whiteouts', whiteouts],
    ['/removed', removed],
    ['/changed', changed],
  ]
  return packWith(dir, { args, readable }, path, kind, options)
}

async function packWith(
  dir: string,
  what: { args: string[]; readable: [string, string][] },
  path: string,
  kind: { mediaType: string; packing: 'gzip' | 'zstd' },
  options: PackOptions,
): Promise<PackedLayer> {
  const { timeoutMs, signal, packed } = options
  let layer: Omit<PackedLayer, 'mediaType'> | null = null
  await runConfined({
    step: 'pack the files',
    program: 'tar',
    args: [
      ...['--create', '--file=-', '--numeric-owner', '--one-file-system'],
      ...['--format=posix', '--pax-option=delete=atime,delete=ctime', '--xattrs', '--xattrs-include=*'],
      ...['--warning=no-file-ignored', '--warning=no-file-changed', ...what.args],
    ],
    readable: [['/from', dir], ...what.readable],
    writable: [],
    capabilities: ['CAP_DAC_READ_SEARCH'],
    fileBytes: 0,
    timeoutMs,
    signal,
    output: async (stdout) => {
      layer = await packStream(stdout, path, packer(kind.packing), packed)
    },
  })
  if (layer === null) throw new Error('tar ended without output')
  return { ...(layer as Omit<PackedLayer, 'mediaType'>), mediaType: kind.mediaType }
}

function packer(packing: 'gzip' | 'zstd'): Transform {
  return packing === 'gzip' ? createGzip({ level: GZIP_LEVEL }) : createZstdCompress()
}

async function packStream(
  plain: Readable,
  path: string,
  pack: Transform,
  packed: (bytes: number) => void,
): Promise<Omit<PackedLayer, 'mediaType'>> {
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
  await pipeline(plain, counted, pack, keep)
  return {
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
