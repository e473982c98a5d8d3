import { Readable } from 'node:stream'
import { type BucketSource, SpawnpointError } from '@spawnpoint/core'
import { readAll } from '@spawnpoint/outbound'
import { createTarPacker } from 'modern-tar'
import type { Listing } from './listing.ts'
import { plainEtag, type StoredObject, type StoreProtocol } from './store.ts'
import type { StoreSession } from './store-session.ts'

/** Objects that are fetched at a time while one of them is being passed on, if they are small */
const AHEAD = 16
const SMALL_BYTES = 2 ** 20

/** An object as it is, which may be another than was listed. */
interface Fetched {
  sizeBytes: number
  etag: string
  changedAt: Date | undefined
  body: Readable | Buffer
}

export interface ObjectsAsked<S extends BucketSource> {
  protocol: StoreProtocol<S>
  session: StoreSession
  source: S
  /** Of the listing, in its order */
  paths: readonly string[]
  maxBytes: number
  /** An object that has gone since it was listed is left out, or else the archive fails */
  mayLackSome: boolean
}

/**
 * A tar archive of objects, fetched as it is read. What they turned out to be, or that they have gone, is put into the listing by the
 * time it ends.
 */
export function objectsArchive<S extends BucketSource>(listing: Listing, asked: ObjectsAsked<S>): Readable {
  const { readable, controller } = createTarPacker()
  const archive = Readable.fromWeb(readable)
  const stopped = new AbortController()
  archive.once('close', () => stopped.abort())
  // Harmless: whoever reads it meets the error there, also if it came before, when nobody did yet.
  archive.on('error', () => {})
  const pack = async () => {
    let bytes = 0
    for await (const [path, object] of fetched(listing, asked, stopped.signal)) {
      bytes += object.sizeBytes
      if (bytes > asked.maxBytes) throw tooLarge(asked.maxBytes)
      listing.set(path, { key: '', sizeBytes: object.sizeBytes, etag: object.etag })
      const { sizeBytes: size, changedAt: mtime, body } = object
      const header = { name: path, type: 'file' as const, size, mode: 0o644, ...(mtime === undefined ? {} : { mtime }) }
      const writer = controller.add(header).getWriter()
      for await (const piece of Buffer.isBuffer(body) ? [body] : whole(asked.session, body, size))
        await writer.write(new Uint8Array(piece.buffer, piece.byteOffset, piece.length))
      await writer.close()
    }
    controller.finalize()
  }
  pack().catch((error: unknown) => {
    // Whoever reads it hears of it; if nobody does any more, it is why.
    controller.error(asked.session.explained(error))
  })
  return archive
}

export function tooLarge(maxBytes: number): Error {
  return new SpawnpointError('payload_too_large', `The bucket has more than ${maxBytes} bytes`, {
    limitBytes: maxBytes,
  })
}

/** In the order of the paths: the small ones are there before it is their turn, the others as they come. */
async function* fetched<S extends BucketSource>(
  listing: Listing,
  asked: ObjectsAsked<S>,
  stopped: AbortSignal,
): AsyncGenerator<[path: string, object: Fetched], void, undefined> {
  const { paths } = asked
  const begun = new Map<number, Promise<Fetched | null>>()
  const objectAt = (at: number) => listing.get(paths[at] ?? '')
  for (const [at, path] of paths.entries()) {
    for (let next = at; next < Math.min(at + AHEAD, paths.length); next += 1) {
      const object = objectAt(next)
      if (begun.has(next) || object === undefined || (next > at && object.sizeBytes > SMALL_BYTES)) continue
      const fetching = fetch(asked, object)
      fetching.catch(() => {}) // it is told when it is its turn, if it comes to that
      begun.set(next, fetching)
    }
    const object = await begun.get(at)
    begun.delete(at)
    stopped.throwIfAborted()
    if (object) yield [path, object]
    else if (asked.mayLackSome) listing.delete(path)
    else throw asked.session.nonsense('objects come and go while it is read')
  }
}

async function fetch<S extends BucketSource>(
  { protocol, session, source }: ObjectsAsked<S>,
  { key, sizeBytes: listed, etag }: StoredObject,
): Promise<Fetched | null> {
  const answer = await session.get(protocol.object(source, key), { mayBeGone: true })
  if (answer === null) return null
  const { body } = answer
  const length = Number(answer.header('content-length') ?? listed)
  if (!Number.isSafeInteger(length) || length < 0) throw session.nonsense('an object without a size')
  const modified = new Date(answer.header('last-modified') ?? '')
  const about = {
    sizeBytes: length,
    etag: plainEtag(answer.header(protocol.etagHeader) ?? etag).slice(0, 256) || etag,
    changedAt: Number.isNaN(modified.getTime()) ? undefined : modified,
  }
  if (length > SMALL_BYTES) return { ...about, body }
  const bytes = await readAll(body, length).catch((error: unknown) => {
    throw session.explained(error)
  })
  if (bytes.length !== length) throw session.nonsense('an object that ends early')
  return { ...about, body: bytes }
}

/** The body, if it is as long as was said. */
async function* whole(session: StoreSession, body: Readable, size: number): AsyncGenerator<Buffer, void, undefined> {
  let bytes = 0
  for await (const piece of body as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > size) throw session.nonsense('an object that is larger than it says')
    yield piece
  }
  if (bytes < size) throw session.nonsense('an object that ends early')
}
