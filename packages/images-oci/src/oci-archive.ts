import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cancelled } from '@spawnpoint/confined'
import {
  type Archive,
  type ArchiveTarget,
  type BuildProgress,
  type FoundSnapshot,
  type PackedRoot,
  type PackedSnapshot,
  type Pushed,
  SpawnpointError,
} from '@spawnpoint/core'
import { findSnapshot } from './find-snapshot.ts'
import { LayerCache } from './layer-cache.ts'
import { CONFIG_TYPE, LayoutWriter, MANIFEST_TYPE, named } from './layout.ts'
import { deliver } from './push/deliver.ts'
import { imageConfig } from './push/image-config.ts'
import { imageLayers } from './push/image-layers.ts'
import { packDirectory } from './push/pack.ts'
import {
  AGENT_TYPE,
  ARTIFACT_TYPE,
  DESCRIPTION_TYPE,
  FILES_TYPE,
  MEMORY_TYPE,
  payloadOf,
  SIGNATURE,
} from './snapshot-artifact.ts'

export interface OciArchiveOptions {
  /** For work in progress; belongs to this archive alone */
  dir: string
  /** Where files that are pushed go; on the same file system as `dir` */
  exportsDir: string
  /** Where snapshots that are pulled from files are */
  importsDir: string
  /** Bytes of pieces kept for the next pull */
  cacheBytes: number
  /** Layers that pulls of images have kept; default none */
  layers?: LayerCache
  /** Milliseconds that packing and sending may take, default six hours */
  timeoutMs?: number
  /** Milliseconds before a broken connection is made anew, doubled each time; default 250 */
  pauseMs?: number
}

/** Progress is told after so many bytes. */
const REPORT_BYTES = 2 ** 20

/**
 * Packs root filesystems as OCI images and snapshots as OCI artifacts, puts them into registries, layouts and archives, and
 * gets snapshots from there.
 */
export class OciArchive implements Archive {
  readonly #options: Required<OciArchiveOptions>
  readonly #cache: LayerCache

  private constructor(options: OciArchiveOptions) {
    this.#cache = new LayerCache({ dir: join(options.dir, 'pieces'), maxBytes: options.cacheBytes })
    this.#options = { timeoutMs: 6 * 3_600_000, pauseMs: 250, layers: this.#cache, ...options }
  }

  /** Removes what an earlier process left half done. */
  static async open(options: OciArchiveOptions): Promise<OciArchive> {
    await mkdir(join(options.dir, 'pieces'), { recursive: true, mode: 0o700 })
    await rm(join(options.dir, 'work'), { recursive: true, force: true })
    await mkdir(join(options.dir, 'work'), { mode: 0o700 })
    const archive = new OciArchive(options)
    await archive.#cache.trim()
    return archive
  }

  pushImage(
    root: PackedRoot,
    target: ArchiveTarget,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<Pushed> {
    return this.#working('push the image', signal, async (workDir, either) => {
      const { exportsDir, timeoutMs, pauseMs } = this.#options
      const layout = await LayoutWriter.make(join(workDir, 'layout'))
      const packed = packProgress(root.sizeBytes, report)
      const cache = this.#options.layers
      const common = { workDir, timeoutMs, pauseMs, report, signal: either }
      const made = await imageLayers(root, target, layout, { ...common, cache, packed })
      const { layers, toSend } = made
      const config = await layout.json(CONFIG_TYPE, imageConfig(root, made))
      const manifest = await layout.json(MANIFEST_TYPE, {
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        config: named(config),
        layers,
      })
      await deliver({ layout, manifest, blobs: [...toSend, named(config)] }, target, { ...common, exportsDir })
      const sizeBytes = [config, manifest, ...layers].reduce((sum, { size }) => sum + size, 0)
      return { digest: manifest.digest, sizeBytes }
    })
  }

  pushSnapshot(
    snapshot: PackedSnapshot,
    target: ArchiveTarget,
    sign: (payload: Buffer) => string,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<Pushed> {
    return this.#working('push the snapshot', signal, async (workDir, either) => {
      const { exportsDir, timeoutMs, pauseMs } = this.#options
      const layout = await LayoutWriter.make(join(workDir, 'layout'))
      const packed = packProgress(snapshot.sizeBytes, report)
      const pack = async (dir: string, mediaType: string) => {
        const kind = { mediaType, packing: 'zstd' } as const
        const layer = await packDirectory(dir, join(layout.dir, 'layer'), kind, { timeoutMs, signal: either, packed })
        await layout.take(layer.path, layer.digest)
        return named(layer)
      }
      const pieces = [await pack(snapshot.rootPath, FILES_TYPE)]
      if (snapshot.memoryDir !== null) pieces.push(await pack(snapshot.memoryDir, MEMORY_TYPE))
      if (snapshot.agentFile !== null) pieces.push(await layout.copy(snapshot.agentFile, AGENT_TYPE))
      const description = await layout.json(DESCRIPTION_TYPE, snapshot.description)
      const manifest = await layout.json(MANIFEST_TYPE, {
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        artifactType: ARTIFACT_TYPE,
        config: named(description),
        layers: pieces,
        annotations: { [SIGNATURE]: sign(payloadOf(named(description), pieces)) },
      })
      const blobs = [...pieces, named(description)]
      const options = { exportsDir, workDir, timeoutMs, pauseMs, report, signal: either }
      await deliver({ layout, manifest, blobs }, target, options)
      return { digest: manifest.digest, sizeBytes: manifest.size + blobs.reduce((sum, { size }) => sum + size, 0) }
    })
  }

  findSnapshot(source: ArchiveTarget, signal: AbortSignal): Promise<FoundSnapshot> {
    const { timeoutMs, pauseMs, importsDir, dir } = this.#options
    return findSnapshot(source, {
      cache: this.#cache,
      importsDir,
      makeWorkDir: async () => {
        const workDir = join(dir, 'work', randomUUID())
        await mkdir(workDir, { mode: 0o700 })
        return workDir
      },
      timeoutMs,
      pauseMs,
      signal,
    })
  }

  async #working<T>(
    what: string,
    signal: AbortSignal,
    work: (workDir: string, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { timeoutMs, dir } = this.#options
    const workDir = join(dir, 'work', randomUUID())
    await mkdir(workDir, { mode: 0o700 })
    const late = AbortSignal.timeout(timeoutMs)
    try {
      return await work(workDir, AbortSignal.any([signal, late]))
    } catch (error) {
      if (signal.aborted) throw cancelled(what)
      if (!late.aborted) throw error
      const message = `Could not ${what} within ${Math.round(timeoutMs / 1_000)} s`
      throw new SpawnpointError('timeout', message, { what, timeoutMs }, { cause: error })
    } finally {
      await rm(workDir, { recursive: true, force: true })
    }
  }
}

/** Pieces one after the other, as a share of all. */
function packProgress(sizeBytes: number, report: (progress: BuildProgress) => void): (bytes: number) => void {
  let before = 0
  let last = 0
  let told = Number.NEGATIVE_INFINITY
  return (bytes) => {
    // The next piece begins from zero.
    if (bytes < last) before += last
    last = bytes
    const done = before + bytes
    if (done - told < REPORT_BYTES) return
    told = done
    report({ step: 'pack', fraction: Math.min(1, done / Math.max(1, sizeBytes)), line: null })
  }
}
