import {
  type BuildProgress,
  formatImageReference,
  invalidArgument,
  type RegistryAccess,
  type RegistryReference,
  SpawnpointError,
} from '@spawnpoint/core'
import { type FetchedImage, readConfig } from '../fetched-image.ts'
import type { BlobSource, HeldBlob, LayerCache } from '../layer-cache.ts'
import { chooseEntry, type Descriptor, type ImageManifest, machinePlatform, parseManifest } from '../manifest.ts'
import { DESCRIPTION_TYPE } from '../snapshot-artifact.ts'
import { again, fetchBlob } from './fetch.ts'
import { RegistryClient } from './registry-client.ts'
import { RegistrySession } from './session.ts'

export interface PullOptions {
  cache: LayerCache
  /** Most bytes of all blobs together */
  maxBytes: number
  /** Milliseconds before a broken connection is made anew, doubled each time */
  pauseMs: number
  report: (progress: BuildProgress) => void
  signal: AbortSignal
}

/** Layers fetched at the same time */
const AT_ONCE = 3
const RESOLVE_ATTEMPTS = 3
const MAX_INDEX_DEPTH = 2
/** Progress is told after so many bytes, so that a fast registry does not flood whoever listens. */
const REPORT_BYTES = 2 ** 20

/** Fetches what the cache does not have. The blobs are held until the returned stack is disposed of. */
export async function pull(
  reference: RegistryReference,
  access: RegistryAccess | null,
  options: PullOptions,
): Promise<FetchedImage> {
  await using undo = new AsyncDisposableStack()
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  const client = new RegistryClient(undo.use(new RegistrySession(reference, access, 'pull', signal)))
  options.report({ step: 'resolve', fraction: null, line: formatImageReference(reference) })
  const { digest, image } = await again(() => resolve(client), RESOLVE_ATTEMPTS, options)
  const blobs = [...new Map([image.config, ...image.layers].map((blob) => [blob.digest, blob])).values()]
  const total = blobs.reduce((sum, { size }) => sum + size, 0)
  if (total > options.maxBytes) {
    const message = `The image has ${total} bytes of layers; this server takes ${options.maxBytes}`
    throw new SpawnpointError('payload_too_large', message, { limitBytes: options.maxBytes })
  }
  await options.cache.needSpace(total)
  const held = undo.adopt(new Map<string, HeldBlob>(), (map) => {
    for (const blob of map.values()) blob[Symbol.dispose]()
  })
  const tell = progressOf(total, options.report)
  const urls = new Map(image.layers.map((layer) => [layer.digest, layer.urls]))
  const source: BlobSource = {
    origin: reference.registry,
    allowed: (digest) => client.has(digest),
    open: (digest, from) => client.blob(digest, from, urls.get(digest)),
  }
  const fetch = async (blob: Descriptor) => {
    held.set(blob.digest, await fetchBlob(blob, source, { ...options, signal }, tell))
  }
  const path = ({ digest }: Descriptor) => {
    const blob = held.get(digest)
    if (blob === undefined) throw new Error(`${digest} was not fetched`)
    return blob.path
  }
  // First, since it says whether the rest is worth fetching.
  await fetch(image.config)
  const config = await readConfig(path(image.config), image.config)
  const layers = blobs.filter((blob) => !held.has(blob.digest))
  await inParallel(layers, AT_ONCE, fetch, (error) => failed.abort(error))
  signal.throwIfAborted()
  options.report({ step: 'download', fraction: 1, line: null })
  const keep = undo.move()
  return { digest, image, config, path, [Symbol.asyncDispose]: () => keep.disposeAsync() }
}

/** The manifest of the image for this machine, and the digest that stands for what was asked for. */
export async function resolve(client: RegistryClient): Promise<{ digest: string; image: ImageManifest }> {
  const top = await client.manifest()
  let current = top
  for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth += 1) {
    const parsed = parseManifest(current.bytes, current.mediaType)
    if (parsed.kind === 'image') {
      mustBeImage(parsed.image)
      return { digest: top.digest, image: parsed.image }
    }
    current = await client.manifest(chooseEntry(parsed.entries, machinePlatform()).digest)
  }
  throw new SpawnpointError('runtime_failed', 'The image is broken: an index within an index within an index', {
    step: 'read the image',
    detail: 'nested index',
  })
}

function mustBeImage({ config }: ImageManifest): void {
  if (config.mediaType === DESCRIPTION_TYPE)
    throw invalidArgument('source.reference', 'is a snapshot of Spawnpoint, not an image; pull it as a snapshot')
}

function progressOf(total: number, report: (progress: BuildProgress) => void): (bytes: number) => void {
  let done = 0
  let told = Number.NEGATIVE_INFINITY
  return (bytes) => {
    done += bytes
    // What has to be fetched again is not told: the bar stands still meanwhile.
    if (done - told < REPORT_BYTES && (done < total || done === told)) return
    told = done
    report({ step: 'download', fraction: total === 0 ? 1 : Math.min(1, done / total), line: null })
  }
}

/** The first failure is told to `failed`, which is to end the others. */
async function inParallel<T>(
  items: T[],
  atOnce: number,
  run: (item: T) => Promise<void>,
  failed: (error: unknown) => void,
): Promise<void> {
  const queue = [...items]
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      await run(item).catch((error: unknown) => {
        queue.length = 0
        failed(error)
      })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
