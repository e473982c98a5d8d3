import { createHash } from 'node:crypto'
import { lstat, mkdir, readdir, readFile, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runConfined } from '@spawnpoint/confined'
import {
  type ArchiveReference,
  type BuildProgress,
  formatImageReference,
  invalidArgument,
  isCode,
  notFound,
  type SpawnpointError,
} from '@spawnpoint/core'
import { type FetchedImage, readConfig } from './fetched-image.ts'
import { array, parseObject } from './json.ts'
import { limitMet, tooLarge } from './limits.ts'
import { type Descriptor, descriptor, machinePlatform, malformed, otherPlatform, parseManifest } from './manifest.ts'
import { packingOf, unpackFile } from './packing.ts'

export interface ArchiveOptions {
  /** Where images must be: a request must not be able to read the host's other files */
  importsDir: string
  /** Empty, for what is unpacked on the way */
  workDir: string
  maxBytes: number
  timeoutMs: number
  report: (progress: BuildProgress) => void
  signal: AbortSignal
}

/** Milliseconds between two looks at how much skopeo has written */
const WATCH_MS = 200

/**
 * An image in the imports directory. skopeo reads all three forms and chooses this machine's platform; it sees that one
 * file or directory and nothing else, and is ended when it writes too much.
 */
export async function readArchive(reference: ArchiveReference, options: ArchiveOptions): Promise<FetchedImage> {
  const { importsDir, workDir, maxBytes, timeoutMs, report, signal } = options
  const given = await inImports(importsDir, reference, 'source.reference')
  report({ step: 'read', fraction: null, line: null })
  await mkdir(join(workDir, 'tmp'), { recursive: true, mode: 0o700 })
  const path = reference.transport === 'oci' ? given : await plainArchive(given, workDir, maxBytes, signal)
  using size = new SizeWatch(workDir, maxBytes)
  const inside = `/import/${reference.name}${reference.select === null ? '' : `:${reference.select}`}`
  try {
    await runConfined({
      step: 'read the image',
      program: 'skopeo',
      args: [
        ...['--insecure-policy', '--tmpdir', '/work/tmp', 'copy', '--quiet', '--dest-oci-accept-uncompressed-layers'],
        ...[`${reference.transport}:${inside}`, 'oci:/work/image:image'],
      ],
      readable: [[`/import/${reference.name}`, path]],
      writable: [['/work', workDir]],
      // Of the file, whoever it belongs to.
      capabilities: ['CAP_DAC_READ_SEARCH'],
      fileBytes: maxBytes,
      timeoutMs,
      signal: AbortSignal.any([signal, size.exceeded]),
    })
  } catch (error) {
    if (isCode(error, 'cancelled') && size.exceeded.aborted) throw tooLarge(maxBytes)
    throw told(error, reference) ?? limitMet(error, maxBytes)
  }
  await rm(join(workDir, 'tmp'), { recursive: true })
  return openLayout(join(workDir, 'image'))
}

/** What skopeo means to say of a reference, as far as it is the caller's to do something about it. */
function told(error: unknown, reference: ArchiveReference): SpawnpointError | null {
  const detail = isCode(error, 'runtime_failed') ? error.context.detail : ''
  if (/no image found in .+ for architecture/.test(detail)) return otherPlatform(machinePlatform(), 'other machines')
  if (/more than one image in oci|expected 1 item, got [2-9]/.test(detail)) {
    const form = `${reference.transport}:${reference.name}:${reference.transport === 'docker-archive' ? 'IMAGE:TAG' : 'TAG'}`
    return invalidArgument('source.reference', `there is more than one image in it; say which, as ${form}`)
  }
  const missing = /Tag \\?".*" not found|no descriptor found for reference/.test(detail)
  return missing ? notFound('image', formatImageReference(reference)) : null
}

/** What is packed as a whole, as `docker save | gzip` makes it, is unpacked first: not every skopeo can. */
async function plainArchive(path: string, workDir: string, maxBytes: number, signal: AbortSignal): Promise<string> {
  const packing = await packingOf(path)
  if (packing === 'plain') return path
  const plain = join(workDir, 'tmp/archive.tar')
  await unpackFile(path, packing, plain, { limitBytes: maxBytes }, signal)
  return plain
}

/** skopeo has written it, from what it had verified. */
async function openLayout(dir: string): Promise<FetchedImage> {
  const blobPath = ({ digest }: Descriptor) => join(dir, 'blobs/sha256', digest.slice('sha256:'.length))
  const index = parseObject(await readFile(join(dir, 'index.json')))
  const top = descriptor(array(index?.manifests)?.[0])
  const bytes = await readFile(blobPath(top))
  if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` !== top.digest) throw malformed('a wrong manifest')
  const parsed = parseManifest(bytes, top.mediaType)
  if (parsed.kind !== 'image') throw malformed('an index instead of an image')
  const { image } = parsed
  const config = await readConfig(blobPath(image.config), image.config)
  return { digest: top.digest, image, config, path: blobPath, [Symbol.asyncDispose]: async () => {} }
}

/** Rejects `invalid_argument` at `field` for what is not there, lies elsewhere, or is of another kind. */
export async function inImports(
  importsDir: string,
  { name, transport }: ArchiveReference,
  field: string,
): Promise<string> {
  const path = join(importsDir, name)
  const [allowed, actual, stat] = await Promise.all([realpath(importsDir), realpath(path), lstat(path)]).catch(
    (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'there is no such file' : `cannot be read (${error.code})`
      throw invalidArgument(field, `${why}: ${name.slice(0, 200)} in imports/ of the server's data directory`)
    },
  )
  if (actual !== join(allowed, name)) throw invalidArgument(field, 'outside the directory for imports')
  if (transport === 'oci' ? !stat.isDirectory() : !stat.isFile())
    throw invalidArgument(field, transport === 'oci' ? 'not a directory' : 'not a file')
  return actual
}

/** Aborts `exceeded` when a directory grows too large. */
class SizeWatch implements Disposable {
  readonly #exceeded = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(dir: string, maxBytes: number) {
    this.#timer = setInterval(() => {
      sizeOf(dir).then(
        (bytes) => {
          if (bytes > maxBytes) this.#exceeded.abort()
        },
        () => {
          // Harmless: a file went between two looks; the next look sees the rest.
        },
      )
    }, WATCH_MS)
  }

  get exceeded(): AbortSignal {
    return this.#exceeded.signal
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

async function sizeOf(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const sizes = await Promise.all(files.map(async (file) => (await lstat(join(file.parentPath, file.name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}
