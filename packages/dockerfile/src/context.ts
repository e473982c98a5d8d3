import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { invalidArgument, SpawnpointError } from '@spawnpoint/core'
import type { TarHeader } from 'modern-tar'
import { contentOf, entriesOf } from './archive.ts'
import { type Ignored, ignoring } from './ignore.ts'
import { type Packing, packingOf } from './packing.ts'

export interface ContextEntry {
  /** Without `/` at either end */
  path: string
  type: 'file' | 'directory' | 'symlink'
  mode: number
  sizeBytes: number
  /** Of a file's content, hex */
  digest: string
  /** Of a symlink */
  target: string
  /** What an archive among the files is packed with, as its beginning says; `null` for any other file */
  packing: Packing | null
  /** Entry of the archive that has the content: another one for a hard link */
  contentAt: string
}

const MAX_ENTRIES = 200_000
const MAX_PATH_CHARS = 4_096
/** Bytes of a Dockerfile, and of what it ignores */
export const MAX_TEXT_BYTES = 2 ** 20
const HEAD_BYTES = 1_024

/** What a build may copy: everything in the archive but what `.dockerignore` leaves out. */
export class BuildContext {
  readonly entries: ReadonlyMap<string, ContextEntry>
  readonly #open: () => Promise<Readable>
  readonly #maxBytes: number
  readonly #texts: ReadonlyMap<string, string>

  private constructor(
    entries: ReadonlyMap<string, ContextEntry>,
    texts: ReadonlyMap<string, string>,
    open: () => Promise<Readable>,
    maxBytes: number,
  ) {
    this.entries = entries
    this.#texts = texts
    this.#open = open
    this.#maxBytes = maxBytes
  }

  /** Reads the archive once. `dockerfile` is the path of the Dockerfile, which may have an ignore file of its own. */
  static async read(open: () => Promise<Readable>, dockerfile: string, maxBytes: number): Promise<BuildContext> {
    const entries = new Map<string, ContextEntry>()
    const texts = new Map<string, string>()
    const wanted = new Set([clean(dockerfile), `${clean(dockerfile)}.dockerignore`, '.dockerignore'])
    for await (const entry of entriesOf(await open(), maxBytes)) {
      const path = pathOf(entry.header.name)
      const known = described(entry.header, path, entries)
      if (path === '' || known === null) {
        await entry.body.cancel()
        continue
      }
      if (entry.header.type === 'file' && wanted.has(path) && entry.header.size <= MAX_TEXT_BYTES) {
        const content = await contentOf(entry, MAX_TEXT_BYTES)
        texts.set(path, content.toString('utf8'))
        known.digest = createHash('sha256').update(content).digest('hex')
      } else if (known.type === 'file' && known.contentAt === path) {
        const hash = createHash('sha256')
        let head = Buffer.alloc(0)
        for await (const piece of entry.body) {
          hash.update(piece)
          if (head.length < HEAD_BYTES) head = Buffer.concat([head, piece]).subarray(0, HEAD_BYTES)
        }
        known.digest = hash.digest('hex')
        known.packing = packingOf(head)
      } else await entry.body.cancel()
      entries.set(path, known)
      if (entries.size > MAX_ENTRIES) throw invalidArgument('source.context', `has more than ${MAX_ENTRIES} entries`)
    }
    const ignored = ignoredBy(texts.get(`${clean(dockerfile)}.dockerignore`) ?? texts.get('.dockerignore') ?? '')
    let asked = 0
    for (const path of [...entries.keys()]) {
      if (ignored.has(path)) entries.delete(path)
      asked += 1
      // Many rules for many files: others have their turn.
      if (asked % 500 === 0) await nextTurn()
    }
    return new BuildContext(withDirectories(entries), texts, open, maxBytes)
  }

  /** The Dockerfile's text; there even if it is ignored. */
  text(path: string): string | null {
    return this.#texts.get(clean(path)) ?? null
  }

  /** The content of the entries with these names, in the order in which the archive has it. */
  async *contents(names: ReadonlySet<string>): AsyncGenerator<{ name: string; body: AsyncIterable<Uint8Array> }> {
    const left = new Set(names)
    for await (const { header, body } of entriesOf(await this.#open(), this.#maxBytes)) {
      const name = pathOf(header.name)
      if (left.delete(name)) yield { name, body }
      else await body.cancel()
      if (left.size === 0) return
    }
    throw new SpawnpointError('internal', `The context has changed while it was read: ${[...left][0]}`, {})
  }
}

function described(header: TarHeader, path: string, before: ReadonlyMap<string, ContextEntry>): ContextEntry | null {
  const { type = 'file', mode = 0o644, size, linkname = '' } = header
  const entry = { path, mode: mode & 0o7777, sizeBytes: size, digest: '', target: '', packing: null, contentAt: path }
  if (type === 'file') return { ...entry, type }
  if (type === 'directory') return { ...entry, type, sizeBytes: 0 }
  if (type === 'symlink') return { ...entry, type, sizeBytes: 0, target: linkname }
  if (type === 'link') {
    const original = before.get(pathOf(linkname))
    if (original?.type === 'file') return { ...original, path }
    throw invalidArgument('source.context', `${path} is a link to what is not there`)
  }
  // Devices and the like are not copied by anybody.
  return null
}

/** A path inside: what leads out of the context is refused. */
function pathOf(name: string): string {
  const path = clean(name)
  if (path.length > MAX_PATH_CHARS || path.includes('\0') || path === '..' || path.startsWith('../'))
    throw invalidArgument('source.context', `has a path that leads out of it: ${name.slice(0, 200)}`)
  return path
}

export function clean(path: string): string {
  const normal = posix.normalize(path).replace(/^\/+|\/+$/g, '')
  return normal === '.' ? '' : normal
}

/** Archives may leave out the directories that their files are in. */
function withDirectories(entries: Map<string, ContextEntry>): Map<string, ContextEntry> {
  for (const path of [...entries.keys()]) {
    for (let dir = posix.dirname(path); dir !== '.' && !entries.has(dir); dir = posix.dirname(dir)) {
      entries.set(dir, {
        ...{ path: dir, type: 'directory', mode: 0o755, sizeBytes: 0 },
        ...{ digest: '', target: '', packing: null, contentAt: dir },
      })
    }
  }
  return new Map([...entries].sort(([one], [other]) => (one < other ? -1 : 1)))
}

function ignoredBy(text: string): Ignored {
  try {
    return ignoring(text)
  } catch (error) {
    throw invalidArgument('source.context', error instanceof Error ? error.message : String(error))
  }
}
