import { createHash, type Hash } from 'node:crypto'
import { pipeline, type Readable, Transform } from 'node:stream'
import { isCode, SpawnpointError } from '../errors.ts'
import type { FileInfo, GuestFiles } from '../ports/index.ts'
import { isObjectPath } from '../services/remote-sources.ts'
import type { Inside, InsideFile } from './plan.ts'
import { MAX_FILES, Outgrown } from './share.ts'

/** As many as an agent tells */
const MAX_ENTRIES = 100_000
const MAX_DEPTH = 1_000
/** Of an object's key, in every kind of store */
const MAX_KEY_BYTES = 1_024

/** What was to be read is something else, or not there, by now: the next look finds what it is. */
export class Moved extends Error {}

/**
 * The files of a directory inside, and how many there are that no object can be. Rejects where it is none, or has too much in it, and
 * `Outgrown` where it is more than `most`, of whatever kind.
 */
export async function listInside(
  files: GuestFiles,
  path: string,
  prefix: string,
  most = MAX_FILES,
): Promise<{ inside: Inside; entries: number; unwritable: number }> {
  // What a link leads to was not brought here.
  const top = await statOf(files, path)
  if (top?.type !== 'directory')
    throw new SpawnpointError('runtime_failed', `There is no directory at ${path} any more`, {
      step: 'write to a bucket',
      detail: 'no directory',
    })
  const limit = most < MAX_FILES ? most + 1 : MAX_ENTRIES
  const entries = await files.list(path, { depth: MAX_DEPTH, limit })
  if (most < MAX_FILES && entries.length > most) throw new Outgrown()
  const inside: Inside = new Map()
  let unwritable = 0
  for (const entry of entries) {
    const name = entry.path.slice(path.length + 1)
    if (entry.type === 'directory' || !entry.path.startsWith(`${path}/`)) continue
    const isKey = isObjectPath(name) && Buffer.byteLength(`${prefix}/${name}`) <= MAX_KEY_BYTES
    if (entry.type === 'file' && isKey) inside.set(name, stampOf(entry))
    else unwritable += 1
  }
  if (entries.length >= MAX_ENTRIES || inside.size > MAX_FILES)
    throw new SpawnpointError('limit_exceeded', `There are more than ${MAX_FILES} files in ${path}`, {
      limit: 'files of a writable remote',
      allowed: MAX_FILES,
      asked: inside.size,
    })
  return { inside, entries: entries.length, unwritable }
}

export function stampOf({ sizeBytes, modifiedAt }: FileInfo): InsideFile {
  return { sizeBytes, modifiedMs: modifiedAt.getTime() }
}

/** `null` for nothing. */
export async function statOf(files: GuestFiles, path: string): Promise<FileInfo | null> {
  try {
    return await files.stat(path)
  } catch (error) {
    if (isCode(error, 'guest_error') && ['ENOENT', 'ENOTDIR'].includes(error.context.errno ?? '')) return null
    throw error
  }
}

/** A file as it is when it is opened; `open` gives exactly so many bytes, or breaks with `Moved`. */
export async function openInside(files: GuestFiles, path: string, signal: AbortSignal) {
  const { info, body } = await files.read(path, { signal }).catch((error: unknown) => {
    throw isCode(error, 'guest_error') ? new Moved() : error
  })
  const hash = createHash('sha256')
  const content = whole(body, info.sizeBytes, hash)
  const close = () => {
    content.destroy()
  }
  try {
    // A link that has come in its place leads to what nobody has put here.
    if (info.type !== 'file' || (await statOf(files, path))?.type !== 'file') throw new Moved()
  } catch (error) {
    close()
    throw error
  }
  return { stamp: stampOf(info), open: async () => content, sha256: () => hash.digest('hex'), close }
}

/** Of a file, by path. */
export async function digestInside(files: GuestFiles, path: string, signal: AbortSignal): Promise<string> {
  const { open, sha256 } = await openInside(files, path, signal)
  for await (const _ of await open()) {
    // It is hashed on its way.
  }
  return sha256()
}

function whole(body: Readable, sizeBytes: number, hash: Hash): Readable {
  let left = sizeBytes
  const counted = new Transform({
    transform(piece: Buffer, _, done) {
      // What has been added since belongs to the next look.
      const taken = piece.subarray(0, left)
      left -= taken.length
      hash.update(taken)
      done(null, taken)
    },
    flush: (done) => done(left === 0 ? null : new Moved()),
  })
  // What breaks one breaks the other; whoever reads this hears of it.
  pipeline(body, counted, () => {})
  return counted
}
