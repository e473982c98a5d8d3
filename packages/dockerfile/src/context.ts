import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { invalidArgument, SpawnpointError } from '@spawnpoint/core'
import type { ParsedTarEntry, TarHeader } from 'modern-tar'
import { entriesOf } from './archive.ts'
import { type Ignored, ignoring } from './ignore.ts'
import { type Packing, packingOf } from './packing.ts'

/** Where the content of a file is. */
export interface Content {
  /** Which upload has it */
  upload: number
  /** Its entry there: another one for a hard link */
  at: string
  /** The upload is this file alone, under this key */
  key: string | null
}

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
  content: Content
}

const MAX_ENTRIES = 200_000
const MAX_PATH_CHARS = 4_096
/** What all instructions together may spend on looking at entries: about a second, in which nobody else has a turn */
const MAX_COST = 5_000_000
/** The same for rules of what is ignored, which others have turns between */
const MAX_IGNORE_LOOKS = 50_000_000
/** Bytes of a Dockerfile, and of what it ignores */
export const MAX_TEXT_BYTES = 2 ** 20
const HEAD_BYTES = 1_024

/** An upload that is a part of a context. */
export interface Source {
  key: string
  /** Its path, if it is one file; `null` for a tar archive */
  file: string | null
  open(): Promise<Readable>
}

/** What a build may copy: everything in the archives, later ones over earlier ones, but what `.dockerignore` leaves out. */
export class BuildContext {
  readonly entries: ReadonlyMap<string, ContextEntry>
  readonly #sources: readonly Source[]
  readonly #maxBytes: number
  readonly #texts: ReadonlyMap<string, string>

  private constructor(
    entries: ReadonlyMap<string, ContextEntry>,
    texts: ReadonlyMap<string, string>,
    sources: readonly Source[],
    maxBytes: number,
  ) {
    this.entries = entries
    this.#texts = texts
    this.#sources = sources
    this.#maxBytes = maxBytes
  }

  /** Reads every upload once. `dockerfile` is the path of the Dockerfile, which may have an ignore file of its own. */
  static async read(sources: readonly Source[], dockerfile: string, maxBytes: number): Promise<BuildContext> {
    const entries = new Map<string, ContextEntry>()
    const texts = new Map<string, string>()
    const wanted = new Set([clean(dockerfile), `${clean(dockerfile)}.dockerignore`, '.dockerignore'])
    for (const [number, source] of sources.entries()) {
      const own = new Map<string, ContextEntry>()
      for await (const { header, body } of partsOf(source, maxBytes)) {
        const path = pathOf(header.name)
        const known = described(header, path, own, { number, source })
        if (path === '' || known === null) {
          await body.cancel()
          continue
        }
        if (known.type === 'file' && known.content.at === path) {
          const text = wanted.has(path) && header.size <= MAX_TEXT_BYTES
          const { digest, head, sizeBytes, content } = await digested(body, text)
          Object.assign(known, { digest, sizeBytes, packing: packingOf(head) })
          if (text && sizeBytes <= MAX_TEXT_BYTES) texts.set(path, content.toString('utf8'))
        } else await body.cancel()
        own.set(path, known)
        entries.set(path, known)
        checkCount(entries.size)
      }
    }
    const ignored = ignoredBy(texts.get(`${clean(dockerfile)}.dockerignore`) ?? texts.get('.dockerignore') ?? '')
    if (ignored.rules * entries.size > MAX_IGNORE_LOOKS)
      throw invalidArgument('source.context', '.dockerignore has too many rules for so many files')
    let asked = 0
    for (const path of [...entries.keys()]) {
      if (ignored.has(path)) entries.delete(path)
      asked += 1
      // Many rules for many files: others have their turn.
      if (asked % 500 === 0) await nextTurn()
    }
    return new BuildContext(withDirectories(entries), texts, sources, maxBytes)
  }

  #cost = 0

  /** Every entry, for whoever looks for some, at this cost for each. Throws an `Error` where that has been too often. */
  all(cost: number): Iterable<ContextEntry> {
    this.#cost += cost * this.entries.size
    if (this.#cost > MAX_COST)
      throw new Error('too many patterns and directories for so many files in the build context')
    return this.entries.values()
  }

  /** The Dockerfile's text; there even if it is ignored. */
  text(path: string): string | null {
    return this.#texts.get(clean(path)) ?? null
  }

  /** The content of these entries of one upload, in the order in which it has them. */
  async *contents(
    number: number,
    names: ReadonlySet<string>,
  ): AsyncGenerator<{ name: string; body: AsyncIterable<Uint8Array> }> {
    const left = new Set(names)
    const source = this.#sources[number]
    if (source === undefined) throw new Error(`the context has no upload ${number}`)
    for await (const { header, body } of partsOf(source, this.#maxBytes)) {
      const name = pathOf(header.name)
      if (left.delete(name)) yield { name, body }
      else await body.cancel()
      if (left.size === 0) return
    }
    throw new SpawnpointError('internal', `The context has changed while it was read: ${[...left][0]}`, {})
  }
}

/** Entries of an archive, or a file as the only one. */
async function* partsOf({ file, open }: Source, maxBytes: number): AsyncGenerator<ParsedTarEntry> {
  if (file === null) {
    yield* entriesOf(await open(), maxBytes)
    return
  }
  const content = await open()
  try {
    yield { header: { name: file, size: 0, type: 'file', mode: 0o644 }, body: Readable.toWeb(content) }
  } finally {
    content.destroy()
  }
}

async function digested(body: AsyncIterable<Uint8Array>, keep: boolean) {
  const hash = createHash('sha256')
  const kept: Uint8Array[] = []
  let head = Buffer.alloc(0)
  let sizeBytes = 0
  for await (const piece of body) {
    hash.update(piece)
    sizeBytes += piece.length
    if (head.length < HEAD_BYTES) head = Buffer.concat([head, piece]).subarray(0, HEAD_BYTES)
    if (keep && sizeBytes <= MAX_TEXT_BYTES) kept.push(piece)
  }
  return { digest: hash.digest('hex'), head, sizeBytes, content: Buffer.concat(kept) }
}

function described(
  header: TarHeader,
  path: string,
  before: ReadonlyMap<string, ContextEntry>,
  { number, source }: { number: number; source: Source },
): ContextEntry | null {
  const { type = 'file', mode = 0o644, size, linkname = '' } = header
  const content = { upload: number, at: path, key: source.file === null ? null : source.key }
  const entry = { path, mode: mode & 0o7777, sizeBytes: size, digest: '', target: '', packing: null, content }
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

function checkCount(entries: number): void {
  if (entries > MAX_ENTRIES) throw invalidArgument('source.context', `has more than ${MAX_ENTRIES} entries`)
}

/** Archives may leave out the directories that their files are in: a few thousand files can be in millions. */
function withDirectories(entries: Map<string, ContextEntry>): Map<string, ContextEntry> {
  for (const path of [...entries.keys()]) {
    for (let dir = posix.dirname(path); dir !== '.' && !entries.has(dir); dir = posix.dirname(dir)) {
      checkCount(entries.size + 1)
      entries.set(dir, {
        ...{ path: dir, type: 'directory', mode: 0o755, sizeBytes: 0 },
        ...{ digest: '', target: '', packing: null, content: { upload: 0, at: dir, key: null } },
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
