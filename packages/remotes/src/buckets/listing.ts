import { createHash } from 'node:crypto'
import { type BucketSource, isObjectPath, type RemoteChange, SpawnpointError } from '@spawnpoint/core'
import type { StoredObject, StoreProtocol } from './store.ts'
import type { StoreSession } from './store-session.ts'

const MAX_OBJECTS = 50_000
const MAX_PAGES = 1_000
const MAX_NAMES_BYTES = 16 * 2 ** 20

/** What is below a directory of a bucket: objects by their paths there, in the order of these. */
export type Listing = Map<string, StoredObject>

/**
 * Reads all pages. Objects whose keys are no paths of files are left out, and so is a file where there is a directory of the same
 * name: neither could be there. Rejects `limit_exceeded` for too many, and what the session rejects with.
 */
export async function readListing<S extends BucketSource>(
  protocol: StoreProtocol<S>,
  session: StoreSession,
  source: S,
): Promise<Listing> {
  const prefix = source.prefix === '' ? '' : `${source.prefix}/`
  const found = new Map<string, StoredObject>()
  let names = 0
  let after: string | null = null
  for (let pages = 0; pages === 0 || after !== null; pages += 1) {
    if (pages >= MAX_PAGES) throw session.nonsense(`its listing has more than ${MAX_PAGES} pages`)
    const { objects, next } = await protocol.list(session, source, prefix, after)
    for (const object of objects) {
      const { key, sizeBytes, etag } = object
      if (!key.startsWith(prefix)) throw session.nonsense('an object that nobody asked for')
      const path = key.slice(prefix.length)
      if (!isObjectPath(path)) continue
      if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || etag === '' || etag.length > 256)
        throw session.nonsense('an object without a size or an etag')
      names += Buffer.byteLength(path)
      found.set(path, object)
      if (found.size > MAX_OBJECTS || names > MAX_NAMES_BYTES) throw tooMany(source)
    }
    after = next
  }
  const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1))
  const directories = directoriesOf(found.keys())
  return new Map(sorted.filter(([path]) => !directories.has(path)))
}

function tooMany({ bucket }: BucketSource): Error {
  const message = `There are more than ${MAX_OBJECTS} objects, or too long names, in ${bucket}: name a directory in it`
  return new SpawnpointError('limit_exceeded', message, {
    limit: 'objects of a remote',
    allowed: MAX_OBJECTS,
    asked: MAX_OBJECTS + 1,
  })
}

/** Digest of all there is. */
export function versionOf(listing: Listing): string {
  const hash = createHash('sha256')
  for (const [path, { sizeBytes, etag }] of listing) hash.update(`${JSON.stringify([path, sizeBytes, etag])}\n`)
  return hash.digest('hex')
}

/** `null` if more than so many files would change. */
export function changeOf(before: Listing, now: Listing, maxChanges: number): RemoteChange | null {
  const brought = [...now].flatMap(([path, { etag, sizeBytes }]) => {
    const old = before.get(path)
    return old?.etag === etag && old.sizeBytes === sizeBytes ? [] : [path]
  })
  const directories = directoriesOf(now.keys())
  const gone = new Set<string>()
  for (const path of before.keys()) {
    // A directory that has come in its place needs it gone, too.
    if (now.has(path)) continue
    const parts = path.split('/')
    const depth = parts.findIndex((_, at) => !directories.has(parts.slice(0, at + 1).join('/')))
    gone.add(depth === -1 ? path : parts.slice(0, depth + 1).join('/'))
  }
  return brought.length + gone.size > maxChanges ? null : { brought, gone: [...gone] }
}

function directoriesOf(paths: Iterable<string>): Set<string> {
  const directories = new Set<string>()
  for (const path of paths)
    for (
      let at = path.lastIndexOf('/');
      at > 0 && !directories.has(path.slice(0, at));
      at = path.lastIndexOf('/', at - 1)
    )
      directories.add(path.slice(0, at))
  return directories
}
