import { constants } from 'node:fs'
import { copyFile, link, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type ArchiveTarget,
  type BuildProgress,
  isCode,
  type PackedBase,
  type PackedRoot,
  type RegistryReference,
} from '@spawnpoint/core'
import type { LayoutWriter } from '../layout.ts'
import type { Descriptor } from '../manifest.ts'
import { RegistryClient } from '../registry/registry-client.ts'
import { RegistrySession } from '../registry/session.ts'
import { BaseImage, type BaseOptions } from './base-image.ts'
import { type Difference, difference } from './difference.ts'
import { type PackOptions, packDifference, packDirectory } from './pack.ts'

export interface ImageLayers {
  layers: Descriptor[]
  /** Those that have to be sent, in the layout */
  toSend: Descriptor[]
  diffIds: string[]
  /** Of the layers that were there before, for a config */
  history: readonly unknown[]
  /** Whether the last one is new */
  added: boolean
}

export interface ImageLayersOptions extends BaseOptions, PackOptions {
  workDir: string
  report: (progress: BuildProgress) => void
}

const LAYER = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', packing: 'gzip' } as const

/**
 * The layers of the image that a root comes from, and one of what it has over that; where those cannot be had any more,
 * or the root comes from elsewhere, one of everything.
 */
export async function imageLayers(
  root: PackedRoot,
  target: ArchiveTarget,
  layout: LayoutWriter,
  options: ImageLayersOptions,
): Promise<ImageLayers> {
  const shared = root.base === null ? null : await sharedLayers(root.base, root.rootPath, target, layout, options)
  if (shared === null)
    return withLayer(NOTHING, await taken(layout, packDirectory(root.rootPath, at(layout), LAYER, options)))
  const { difference: over, ...before } = shared
  if (over.isEmpty) return before
  return withLayer(before, await taken(layout, packDifference(root.rootPath, over, at(layout), LAYER, options)))
}

const NOTHING: ImageLayers = { layers: [], toSend: [], diffIds: [], history: [], added: false }

function withLayer(before: ImageLayers, { diffId, ...layer }: Descriptor & { diffId: string }): ImageLayers {
  const { mediaType, digest, size } = layer
  const added = { mediaType, digest, size }
  return {
    layers: [...before.layers, added],
    toSend: [...before.toSend, added],
    diffIds: [...before.diffIds, diffId],
    history: before.history,
    added: true,
  }
}

function at(layout: LayoutWriter): string {
  return join(layout.dir, 'layer')
}

async function taken<L extends { path: string; digest: string }>(
  layout: LayoutWriter,
  packing: Promise<L>,
): Promise<L> {
  const layer = await packing
  await layout.take(layer.path, layer.digest)
  return layer
}

/** `null` where they cannot be had. */
async function sharedLayers(
  base: PackedBase,
  rootPath: string,
  target: ArchiveTarget,
  layout: LayoutWriter,
  options: ImageLayersOptions,
): Promise<(ImageLayers & { difference: Difference }) | null> {
  const { report, signal, workDir } = options
  try {
    await using image = await BaseImage.open(base.reference, base.access, options)
    const dir = join(workDir, 'difference')
    await mkdir(dir, { mode: 0o700 })
    const over = await difference(base.rootPath, rootPath, dir, options)
    if (over === null) return null
    const layers = [...image.layers]
    const toSend: Descriptor[] = []
    using there = new TargetBlobs(target, image.reference, signal)
    for (const layer of new Map(layers.map((one) => [one.digest, one])).values()) {
      if (await there.has(layer.digest)) continue
      const file = await image.file(layer)
      // What is kept for the next pull is not to be reached through a file that is given away.
      if (target.reference.transport === 'registry') await link(file, layout.path(layer.digest))
      else await copyFile(file, layout.path(layer.digest), constants.COPYFILE_FICLONE)
      toSend.push(layer)
    }
    const line = `${layers.length} layers of ${base.reference.registry}/${base.reference.repository}`
    report({ step: 'pack', fraction: null, line })
    return { layers, toSend, diffIds: [...image.diffIds], history: image.history, added: false, difference: over }
  } catch (error) {
    signal.throwIfAborted()
    if (isCode(error, 'disk_full')) throw error
    const line = `Everything goes as one layer: ${error instanceof Error ? error.message : String(error)}`
    report({ step: 'pack', fraction: null, line })
    return null
  }
}

/** What the place that is pushed to has, or gets out of another of its registry's repositories. */
class TargetBlobs implements Disposable {
  readonly #session: RegistrySession | null
  readonly #from: RegistryReference

  constructor({ reference, access }: ArchiveTarget, from: RegistryReference, signal: AbortSignal) {
    const registry = reference.transport === 'registry' ? reference : null
    this.#session = registry === null ? null : new RegistrySession(registry, access, 'pull,push', signal)
    this.#from = from
  }

  async has(digest: string): Promise<boolean> {
    if (this.#session === null) return false
    const client = new RegistryClient(this.#session)
    if (await client.has(digest)) return true
    const { registry, repository } = this.#from
    return registry === this.#session.reference.registry && client.mountBlob(digest, repository)
  }

  [Symbol.dispose](): void {
    this.#session?.[Symbol.dispose]()
  }
}
