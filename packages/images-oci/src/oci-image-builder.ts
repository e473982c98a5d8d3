import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cancelled } from '@spawnpoint/confined'
import {
  type AwsRegistryKeys,
  type BaseSource,
  type BuildProgress,
  type BuiltImage,
  type ImageBuilder,
  type ImageReference,
  isCode,
  notFound,
  parseImageReference,
  type ReadUpload,
  type RegistryAccess,
  SpawnpointError,
} from '@spawnpoint/core'
import { Http } from '@spawnpoint/outbound'
import { readArchive } from './archive.ts'
import { makeLayout } from './bundle.ts'
import type { FetchedImage } from './fetched-image.ts'
import { defaultsFrom, labelsFrom } from './image-config.ts'
import { LayerCache } from './layer-cache.ts'
import { malformed } from './manifest.ts'
import { awsRegistryAccess } from './registry/aws-registry.ts'
import { pull } from './registry/pull.ts'
import { emptyDirectory, unpackLayout } from './unpack.ts'
import { uploadedImage } from './uploaded-layers.ts'

export interface OciImageBuilderOptions {
  /** For layers that are kept and for work in progress; belongs to this builder alone */
  dir: string
  /** Local images that a reference may name are in it */
  importsDir: string
  /** Bytes of layers kept for the next pull */
  cacheBytes: number
  /** Most bytes of one image, packed or unpacked, default 64 GiB */
  maxBytes?: number
  /** Milliseconds that fetching and reading may take, default two hours */
  fetchTimeoutMs?: number
  /** Milliseconds that unpacking may take, default one hour */
  unpackTimeoutMs?: number
  /** Milliseconds before a broken connection is made anew, doubled each time; default 250 */
  pauseMs?: number
  log?: { error(fields: object, message: string): void }
}

const HOUR_MS = 3_600_000

/**
 * Builds `{ type: 'oci' }`, images of registries, and of OCI layouts and archives in the imports directory, and
 * `{ type: 'layers' }`, those that were uploaded in parts. Nothing that
 * an image says is believed: digests are checked, sizes bounded, and umoci and skopeo work on it where they see nothing of
 * the host. `dir` of a build should be on a file system without devices and set-user-id, with a limit on its size.
 */
export class OciImageBuilder implements ImageBuilder {
  readonly types = ['oci', 'layers'] as const satisfies BaseSource['type'][]
  readonly #options: Required<OciImageBuilderOptions>
  readonly #cache: LayerCache

  private constructor(options: OciImageBuilderOptions) {
    this.#options = {
      maxBytes: 64 * 2 ** 30,
      fetchTimeoutMs: 2 * HOUR_MS,
      unpackTimeoutMs: HOUR_MS,
      pauseMs: 250,
      log: { error: () => {} },
      ...options,
    }
    this.#cache = new LayerCache({ dir: join(options.dir, 'layers'), maxBytes: options.cacheBytes })
  }

  /** What was pulled and may be needed again, which whoever pushes takes from here. */
  get layers(): LayerCache {
    return this.#cache
  }

  /** Removes what builds of an earlier process left half done. */
  static async open(options: OciImageBuilderOptions): Promise<OciImageBuilder> {
    await mkdir(join(options.dir, 'layers'), { recursive: true, mode: 0o700 })
    await rm(join(options.dir, 'work'), { recursive: true, force: true })
    await mkdir(join(options.dir, 'work'), { mode: 0o700 })
    const builder = new OciImageBuilder(options)
    await builder.#cache.trim()
    return builder
  }

  async build(
    source: BaseSource,
    dir: string,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
    access: RegistryAccess | null = null,
    uploads: ReadUpload = nothingUploaded,
  ): Promise<BuiltImage> {
    if (source.type !== 'oci' && source.type !== 'layers') throw malformed(`not a source for it: ${source.type}`)
    const workDir = join(this.#options.dir, 'work', randomUUID())
    await mkdir(workDir, { mode: 0o700 })
    try {
      await using fetched =
        source.type === 'oci'
          ? await this.#fetch(parseImageReference(source.reference), access, workDir, report, signal)
          : await uploadedImage(source, uploads, { workDir, maxBytes: this.#options.maxBytes, report, signal })
      return await this.#unpack(source, fetched, dir, workDir, report, signal)
    } catch (error) {
      throw signal.aborted ? cancelled('build the image') : error
    } finally {
      await rm(workDir, { recursive: true, force: true })
      await this.#cache.trim().catch((error) => this.#options.log.error({ err: error }, 'layers could not be removed'))
    }
  }

  async #fetch(
    reference: ImageReference,
    access: RegistryAccess | null,
    workDir: string,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<FetchedImage> {
    const { maxBytes, importsDir, pauseMs, fetchTimeoutMs: timeoutMs } = this.#options
    if (reference.transport !== 'registry') {
      return readArchive(reference, { importsDir, workDir, maxBytes, timeoutMs, report, signal })
    }
    const late = AbortSignal.timeout(timeoutMs)
    const either = AbortSignal.any([signal, late])
    try {
      const known = access?.aws === undefined ? access : await awsAccess(access.aws, either)
      return await pull(reference, known, { cache: this.#cache, maxBytes, pauseMs, report, signal: either })
    } catch (error) {
      if (!late.aborted || signal.aborted) throw error
      const message = `The image was not here within ${Math.round(timeoutMs / 1_000)} s; what has come is kept`
      throw new SpawnpointError('timeout', message, { what: 'pull the image', timeoutMs }, { cause: error })
    }
  }

  async #unpack(
    source: BaseSource & { type: 'oci' | 'layers' },
    fetched: FetchedImage,
    dir: string,
    workDir: string,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<BuiltImage> {
    const { maxBytes, unpackTimeoutMs: timeoutMs } = this.#options
    report({ step: 'unpack', fraction: null, line: `${fetched.image.layers.length} layers` })
    const limits = { maxBytes, timeoutMs }
    const layout = join(workDir, 'layout')
    await makeLayout(fetched, layout, { limitBytes: maxBytes }, signal)
    await unpackLayout(layout, dir, limits, signal).catch(async (error: unknown) => {
      const tidied = join(workDir, 'tidied')
      const again = isCode(error, 'runtime_failed') && !signal.aborted
      if (!again || !(await makeLayout(fetched, tidied, { limitBytes: maxBytes, tidy: true }, signal))) throw error
      await emptyDirectory(dir)
      await unpackLayout(tidied, dir, limits, signal)
    })
    return {
      defaults: defaultsFrom(fetched.config),
      labels: labelsFrom(fetched.config),
      ...(source.type === 'oci' ? { source: { ...source, digest: fetched.digest } } : {}),
    }
  }
}

async function nothingUploaded(key: string): Promise<never> {
  throw notFound('blob', key)
}

async function awsAccess(keys: AwsRegistryKeys, signal: AbortSignal): Promise<RegistryAccess> {
  using http = new Http()
  return await awsRegistryAccess(keys, http, signal)
}
