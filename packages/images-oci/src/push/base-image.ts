import { type RegistryAccess, type RegistryReference, SpawnpointError } from '@spawnpoint/core'
import { readConfig } from '../fetched-image.ts'
import { array } from '../json.ts'
import type { HeldBlob, LayerCache } from '../layer-cache.ts'
import { type Descriptor, diffIds } from '../manifest.ts'
import { again, fetchBlob } from '../registry/fetch.ts'
import { resolve } from '../registry/pull.ts'
import { RegistryClient } from '../registry/registry-client.ts'
import { RegistrySession } from '../registry/session.ts'
import { isFilled } from './image-config.ts'

export interface BaseOptions {
  cache: LayerCache
  /** Milliseconds before a broken connection is made anew, doubled each time */
  pauseMs: number
  signal: AbortSignal
}

const RESOLVE_ATTEMPTS = 3
const OCI = 'application/vnd.oci.image.layer.v1.tar'
const DOCKER = 'application/vnd.docker.image.rootfs.diff.tar'
/** What others call the layers that we pass on, by what they were called. */
const TYPES: Readonly<Record<string, string>> = {
  [OCI]: OCI,
  [`${OCI}+gzip`]: `${OCI}+gzip`,
  [`${OCI}+zstd`]: `${OCI}+zstd`,
  [DOCKER]: OCI,
  [`${DOCKER}.gzip`]: `${OCI}+gzip`,
  [`${DOCKER}.zstd`]: `${OCI}+zstd`,
}

/** An image in a registry whose layers another one begins with. */
export class BaseImage implements AsyncDisposable {
  readonly reference: RegistryReference
  readonly layers: readonly Descriptor[]
  /** One for each layer */
  readonly diffIds: readonly string[]
  /** As its config has it, if that fits its layers */
  readonly history: readonly unknown[]
  readonly #fetch: (blob: Descriptor) => Promise<HeldBlob>
  readonly #held: AsyncDisposableStack

  private constructor(
    reference: RegistryReference,
    said: Pick<BaseImage, 'layers' | 'diffIds' | 'history'>,
    fetch: (blob: Descriptor) => Promise<HeldBlob>,
    held: AsyncDisposableStack,
  ) {
    this.reference = reference
    this.layers = said.layers
    this.diffIds = said.diffIds
    this.history = said.history
    this.#fetch = fetch
    this.#held = held
  }

  /** Reads what it is made of, and nothing more. */
  static async open(
    reference: RegistryReference,
    access: RegistryAccess | null,
    options: BaseOptions,
  ): Promise<BaseImage> {
    await using undo = new AsyncDisposableStack()
    const client = new RegistryClient(undo.use(new RegistrySession(reference, access, 'pull', options.signal)))
    const { image } = await again(() => resolve(client), RESOLVE_ATTEMPTS, options)
    const source = {
      origin: reference.registry,
      allowed: (digest: string) => client.has(digest),
      open: (digest: string, from: number) => client.blob(digest, from),
    }
    const fetch = (blob: Descriptor) => fetchBlob(blob, source, options, () => {})
    const config = await readConfig(undo.use(await fetch(image.config)).path, image.config)
    const layers = image.layers.map(passedOn)
    const ids = diffIds(config, layers.length)
    const history = array(config.history) ?? []
    const said = { layers, diffIds: ids, history: history.filter(isFilled).length === layers.length ? history : [] }
    return new BaseImage(reference, said, fetch, undo.move())
  }

  /** Where a layer's blob is until this is disposed of; fetched unless it was pulled before. */
  async file(layer: Descriptor): Promise<string> {
    return this.#held.use(await this.#fetch(layer)).path
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync()
  }
}

function passedOn({ mediaType, digest, size }: Descriptor): Descriptor {
  const type = TYPES[mediaType]
  if (type !== undefined) return { mediaType: type, digest, size }
  throw new SpawnpointError('unavailable', `Layers of type ${mediaType} are not passed on`, { reason: 'media type' })
}
