import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Archive,
  type ArchiveTarget,
  type BuildProgress,
  type PackedRoot,
  type Pushed,
  SpawnpointError,
} from '@spawnpoint/core'
import { cancelled } from './confined.ts'
import { CONFIG_TYPE, LayoutWriter, MANIFEST_TYPE, named } from './layout.ts'
import { deliver } from './push/deliver.ts'
import { imageConfig } from './push/image-config.ts'
import { packRoot } from './push/pack.ts'

export interface OciArchiveOptions {
  /** For work in progress; belongs to this archive alone */
  dir: string
  /** Where files that are pushed go; on the same file system as `dir` */
  exportsDir: string
  /** Milliseconds that packing and sending may take, default six hours */
  timeoutMs?: number
  /** Milliseconds before a broken connection is made anew, doubled each time; default 250 */
  pauseMs?: number
}

/** Packs root filesystems as OCI images and puts them into registries, layouts and archives. */
export class OciArchive implements Archive {
  readonly #options: Required<OciArchiveOptions>

  private constructor(options: OciArchiveOptions) {
    this.#options = { timeoutMs: 6 * 3_600_000, pauseMs: 250, ...options }
  }

  /** Removes what an earlier process left half done. */
  static async open(options: OciArchiveOptions): Promise<OciArchive> {
    await mkdir(options.dir, { recursive: true, mode: 0o700 })
    await rm(join(options.dir, 'work'), { recursive: true, force: true })
    await mkdir(join(options.dir, 'work'), { mode: 0o700 })
    return new OciArchive(options)
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
      const layer = await packRoot(root.rootPath, join(layout.dir, 'layer'), {
        timeoutMs,
        signal: either,
        packed: (bytes) =>
          report({ step: 'pack', fraction: Math.min(1, bytes / Math.max(1, root.sizeBytes)), line: null }),
      })
      await layout.take(layer.path, layer.digest)
      const config = await layout.json(CONFIG_TYPE, imageConfig(root, layer.diffId))
      const blobs = [named(layer), named(config)]
      const manifest = await layout.json(MANIFEST_TYPE, {
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        config: named(config),
        layers: [named(layer)],
      })
      const options = { exportsDir, workDir, timeoutMs, pauseMs, report, signal: either }
      await deliver({ layout, manifest, blobs }, target, options)
      return { digest: manifest.digest, sizeBytes: layer.size + config.size + manifest.size }
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
