import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { runConfined } from '@spawnpoint/confined'
import {
  type ArchiveReference,
  type ArchiveTarget,
  formatImageReference,
  invalidArgument,
  notFound,
} from '@spawnpoint/core'
import { inImports } from './archive.ts'
import { array, object, parseObject, text } from './json.ts'
import type { BlobSource, Gained, HeldBlob, LayerCache } from './layer-cache.ts'
import { type Descriptor, descriptor, malformed } from './manifest.ts'
import { again, fetchBlob } from './registry/fetch.ts'
import { type Manifest, RegistryClient } from './registry/registry-client.ts'
import { RegistrySession } from './registry/session.ts'

/** Where an artifact's manifest and pieces are. */
export interface PieceSource extends AsyncDisposable {
  manifest(): Promise<Manifest>
  /** A piece as a file, verified. */
  hold(piece: Descriptor, gained: (bytes: number) => void, signal: AbortSignal): Promise<HeldBlob>
}

export interface PieceSourceOptions {
  cache: LayerCache
  importsDir: string
  workDir: string
  timeoutMs: number
  pauseMs: number
  signal: AbortSignal
}

const MANIFEST_ATTEMPTS = 3

export async function openSource(target: ArchiveTarget, options: PieceSourceOptions): Promise<PieceSource> {
  const { reference, access } = target
  if (reference.transport !== 'registry') return openFiles(reference, options)
  const session = new RegistrySession(reference, access, 'pull', options.signal)
  const client = new RegistryClient(session)
  const source: BlobSource = {
    origin: reference.registry,
    allowed: (digest) => client.has(digest),
    open: (digest, from) => client.blob(digest, from),
  }
  return {
    manifest: () => again(() => client.manifest(), MANIFEST_ATTEMPTS, options),
    hold: async (piece, gained, signal) => {
      await options.cache.needSpace(piece.size)
      return fetchBlob(piece, source, { ...options, signal }, gained)
    },
    [Symbol.asyncDispose]: async () => session[Symbol.dispose](),
  }
}

async function openFiles(reference: ArchiveReference, options: PieceSourceOptions): Promise<PieceSource> {
  if (reference.transport === 'docker-archive')
    throw invalidArgument('reference', 'an archive of Docker holds images only')
  const given = await inImports(options.importsDir, reference, 'reference')
  const dir = reference.transport === 'oci' ? given : await unpacked(given, options)
  const top = await named(dir, reference)
  return {
    manifest: async () => {
      const blob = await verified(dir, top)
      return { digest: top.digest, bytes: await readFile(blob.path), mediaType: top.mediaType }
    },
    hold: async (piece, gained: Gained | ((bytes: number) => void)) => {
      const blob = await verified(dir, piece)
      gained(piece.size, true)
      return blob
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

async function unpacked(path: string, { workDir, timeoutMs, signal }: PieceSourceOptions): Promise<string> {
  const dir = join(workDir, 'archive')
  await mkdir(dir, { mode: 0o700 })
  await runConfined({
    step: 'read the archive',
    program: 'tar',
    args: ['--extract', '--file=/archive.tar', '--directory=/to', '--no-same-owner'],
    readable: [['/archive.tar', path]],
    writable: [['/to', dir]],
    capabilities: ['CAP_DAC_READ_SEARCH'],
    // It is not packed as a whole, so it cannot become larger; holes take no space.
    fileBytes: Number.MAX_SAFE_INTEGER,
    timeoutMs,
    signal,
  })
  return dir
}

async function named(dir: string, reference: ArchiveReference): Promise<Descriptor> {
  const index = parseObject(await readFile(await within(dir, 'index.json')))
  const entries = array(index?.manifests) ?? []
  const tagged = entries.filter((entry) => {
    const annotations = object(object(entry)?.annotations)
    return reference.select === null || text(annotations?.['org.opencontainers.image.ref.name']) === reference.select
  })
  if (tagged.length > 1) throw invalidArgument('reference', 'has several; name one by its tag')
  if (tagged[0] === undefined) throw notFound('snapshot', formatImageReference(reference))
  return descriptor(tagged[0])
}

async function verified(dir: string, { digest, size }: Descriptor): Promise<HeldBlob> {
  const path = await within(dir, 'blobs/sha256', digest.slice('sha256:'.length))
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  const actual = `sha256:${hash.digest('hex')}`
  if (actual !== digest || (await stat(path)).size !== size) throw malformed(`${digest} has the digest ${actual}`)
  return { path, [Symbol.dispose]: () => {} }
}

/** A path that no link on the way leads elsewhere. */
async function within(dir: string, ...parts: string[]): Promise<string> {
  const [base, actual] = await Promise.all([realpath(dir), realpath(join(dir, ...parts))]).catch(
    (error: NodeJS.ErrnoException) => {
      throw malformed(`${parts.join('/')} is missing (${error.code})`)
    },
  )
  if (actual !== join(base, ...parts)) throw malformed(`${parts.join('/')} leads elsewhere`)
  return actual
}
