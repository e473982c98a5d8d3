import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { type BuildContext, type Content, type ContextEntry, clean } from './context.ts'
import type { Downloads } from './downloads.ts'
import { hasWildcard, pathMatcher } from './glob.ts'
import type { Permissions } from './permissions.ts'
import { TAR_END, type TarEntry, tarHeader, tarPadding } from './tar-entry.ts'

/** One thing of an archive that a copy step unpacks. */
export interface Packed extends TarEntry {
  /** Where its content is */
  content: (Content & { digest: string }) | { text: string } | { address: string; digest: string } | null
}

/** The archive of a copy step. Its key follows from what is in it: the same files are the same step. */
export interface Pack {
  key: string
  entries: Packed[]
  /** It is the content of its only entry */
  bare: boolean
  /** What that is packed with, if it has to be unpacked on the way */
  packing?: Unpackable
}

/** What an agent cannot unpack itself */
export type Unpackable = 'bzip2' | 'xz' | 'zstd'
/** The content of what is packed so. */
export type Unpack = (packing: Unpackable, packed: Readable) => Readable

/** What COPY or ADD names in the context, where `**` is any directories if `deep`; throws an `Error` that says what is not there. */
export function findSources(
  context: BuildContext | null,
  source: string,
  { deep = false }: { deep?: boolean } = {},
): ContextEntry[] {
  const path = clean(posix.join('/', source))
  const entries = context?.entries ?? new Map<string, ContextEntry>()
  if (path === '') return [ROOT]
  if (hasWildcard(path)) {
    const matches = pathMatcher(deep ? path : path.replaceAll(/(?<=^|\/)\*\*(?=\/|$)/g, '*'))
    const found = [...(context?.all(10) ?? [])].filter((entry) => matches(entry.path))
    if (found.length === 0) throw new Error(`no file in the build context matches '${source}'`)
    return found.map((entry) => followed(entries, entry))
  }
  const literal = path.replace(/\\(.)/gs, '$1')
  const found = lookUp(entries, literal)
  if (found === null)
    throw new Error(`there is no '${source}' in the build context${entries.size === 0 ? ', which is empty' : ''}`)
  return [found.type === 'directory' ? found : { ...found, path: clean(literal) }]
}

const ROOT: ContextEntry = {
  ...{ path: '', type: 'directory', mode: 0o755, sizeBytes: 0 },
  ...{ digest: '', target: '', packing: null, content: { upload: 0, at: '', key: null } },
}

/** Of a directory everything in it; names are those at the destination. */
export function packOf(
  context: BuildContext | null,
  sources: readonly ContextEntry[],
  { mode, excluded }: { mode: Permissions | null; excluded: (path: string) => boolean },
): Packed[] {
  const packed = new Map<string, Packed>()
  for (const source of sources) {
    if (source.type !== 'directory') {
      const name = posix.basename(source.path)
      if (!excluded(source.path)) packed.set(name, entryOf(source, name, mode))
      continue
    }
    const prefix = source.path === '' ? '' : `${source.path}/`
    for (const entry of context?.all(1) ?? []) {
      if (!entry.path.startsWith(prefix) || entry.path === source.path || excluded(entry.path)) continue
      const name = entry.path.slice(prefix.length)
      packed.set(name, entryOf(entry, name, mode))
    }
  }
  return [...packed.values()].sort((one, other) => (one.name < other.name ? -1 : 1))
}

export function textEntry(name: string, text: string, asked: Permissions | null): Packed {
  const mode = asked?.of(0o644, false) ?? 0o644
  return { name, type: 'file', mode, sizeBytes: Buffer.byteLength(text), content: { text } }
}

export function keyed(entries: Packed[]): Pack {
  const hash = createHash('sha256')
  for (const { name, type, mode, sizeBytes, target = '', content } of entries) {
    const what = content === null ? '' : 'text' in content ? textDigest(content.text) : content.digest
    hash.update(`${JSON.stringify([name, type, mode, sizeBytes, target, what])}\n`)
  }
  return { key: `dockerfile:${hash.digest('hex')}`, entries, bare: false }
}

/** A file that is an archive already; where it is an upload by itself, and needs no unpacking, that one. */
export function itself(entry: ContextEntry, packing: Unpackable | null): Pack {
  const entries = [entryOf(entry, entry.path, null)]
  if (packing !== null) return { key: `dockerfile:${packing}-${entry.digest}`, entries, bare: true, packing }
  return { key: entry.content.key ?? `dockerfile:bare-${entry.digest}`, entries, bare: true }
}

/** The archive itself. Contents come in the order in which the context has them. */
export function archiveOf(
  context: BuildContext | null,
  pack: Pack,
  { unpack, downloads }: { unpack: Unpack | null; downloads: Downloads | null },
): Readable {
  const { entries, bare, packing } = pack
  const archive = Readable.from(bare ? contentOf(context, entries) : pieces(context, entries, downloads), {
    objectMode: false,
  })
  if (packing === undefined) return archive
  if (unpack === null) throw new Error(`nothing here unpacks ${packing}`)
  return unpack(packing, archive)
}

async function* contentOf(context: BuildContext | null, entries: readonly Packed[]): AsyncGenerator<Uint8Array> {
  for (const { content } of entries) {
    if (content === null || !('at' in content)) continue
    for await (const { body } of context?.contents(content.upload, new Set([content.at])) ?? []) yield* body
  }
}

async function* pieces(
  context: BuildContext | null,
  entries: readonly Packed[],
  downloads: Downloads | null,
): AsyncGenerator<Uint8Array> {
  // Where several have the same content, it is read once for each.
  let waiting: { entry: Packed; content: Content }[] = []
  for (const entry of entries) {
    const { content } = entry
    if (content !== null && 'at' in content) waiting.push({ entry, content })
    else {
      yield tarHeader(entry)
      if (content === null) continue
      if ('text' in content) yield Buffer.from(content.text)
      else if (downloads === null) throw new Error('nothing here asks for addresses')
      else yield* downloads.read(content.address, { digest: content.digest, sizeBytes: entry.sizeBytes })
      yield tarPadding(entry.sizeBytes)
    }
  }
  while (context !== null && waiting[0] !== undefined) {
    const { upload } = waiting[0].content
    const now = new Map<string, Packed>()
    for (const { entry, content } of waiting)
      if (content.upload === upload && !now.has(content.at)) now.set(content.at, entry)
    for await (const { name, body } of context.contents(upload, new Set(now.keys()))) {
      const entry = now.get(name)
      if (entry === undefined) continue
      yield tarHeader(entry)
      yield* body
      yield tarPadding(entry.sizeBytes)
    }
    const done = new Set(now.values())
    waiting = waiting.filter(({ entry }) => !done.has(entry))
  }
  yield TAR_END
}

export function entryOf(entry: ContextEntry, name: string, asked: Permissions | null): Packed {
  const { type, sizeBytes, target } = entry
  const mode = type === 'symlink' ? 0o777 : (asked?.of(entry.mode, type === 'directory') ?? entry.mode)
  if (type === 'directory') return { name: `${name}/`, type, mode, sizeBytes: 0, content: null }
  if (type === 'symlink') return { name, type, mode, sizeBytes: 0, target, content: null }
  return { name, type, mode, sizeBytes, content: { ...entry.content, digest: entry.digest } }
}

/** A path of the context by way of its symlinks, none of which leads out of it. `null` if nothing is there. */
function lookUp(entries: ReadonlyMap<string, ContextEntry>, path: string): ContextEntry | null {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  let here = ''
  for (let links = 0; parts.length > 0; ) {
    const part = parts.shift() ?? ''
    if (part === '..') {
      here = here.includes('/') ? posix.dirname(here) : ''
      continue
    }
    const entry = entries.get(here === '' ? part : `${here}/${part}`)
    if (entry === undefined) return null
    if (entry.type !== 'symlink') {
      here = entry.path
      continue
    }
    links += 1
    if (links > MAX_LINKS) throw new Error(`too many symlinks on the way to '${path}'`)
    // One that begins with a slash begins in the context.
    if (entry.target.startsWith('/')) here = ''
    parts.unshift(...entry.target.split('/').filter((each) => each !== '' && each !== '.'))
  }
  return here === '' ? ROOT : (entries.get(here) ?? null)
}

const MAX_LINKS = 40

function followed(entries: ReadonlyMap<string, ContextEntry>, entry: ContextEntry): ContextEntry {
  if (entry.type !== 'symlink') return entry
  const target = lookUp(entries, entry.path)
  if (target === null) throw new Error(`'${entry.path}' is a symlink that leads nowhere in the build context`)
  return target.type === 'directory' ? target : { ...target, path: entry.path }
}

function textDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A name, where patterns are understood. */
export function escaped(name: string): string {
  return name.replace(/[*?[\\]/g, '\\$&')
}
