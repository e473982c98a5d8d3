import { SpawnpointError } from './errors.ts'
import { type OperationChange, Operations } from './operations.ts'
import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import type { Transport } from './transport.ts'
import type { BuildImage, Image, ImageState } from './types.ts'
import { toImage } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

export interface BuildOptions {
  /** Stops waiting; the build goes on */
  signal?: AbortSignal | undefined
  onProgress?: ((change: OperationChange) => void) | undefined
}

/** Read-only root filesystems that sandboxes are made from. */
export class Images {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Resolves when the image is ready, however long it takes; a connection that breaks meanwhile does no harm. */
  async build(request: BuildImage, options: BuildOptions = {}): Promise<Image> {
    const { body, response } = await this.#transport.exchange<Schemas['Image']>({
      method: 'POST',
      path: '/v1/images',
      query: { wait: false },
      json: request satisfies Schemas['BuildImage'],
      signal: options.signal,
    })
    const operationId = response.headers.get('location')?.split('/').at(-1)
    if (operationId === undefined) {
      const { url, status } = response
      throw new SpawnpointError('bad_response', 'The server names no operation for the build', {
        url,
        status,
        excerpt: '',
      })
    }
    await new Operations(this.#transport).wait(operationId, options)
    return this.get(body.id, { signal: options.signal })
  }

  /** By id, name (the latest ready one) or `name@id`. */
  async get(ref: string, options: CallOptions = {}): Promise<Image> {
    const path = `/v1/images/${encodeURIComponent(ref)}`
    return toImage(await this.#transport.json({ method: 'GET', path, ...options }))
  }

  /** Newest first. */
  list(
    filter: { name?: string | undefined; states?: ImageState[] | undefined } = {},
    options: PageOptions = {},
  ): List<Image> {
    const query = { name: filter.name, state: filter.states }
    return new List(this.#transport, { path: '/v1/images', query }, options, toImage)
  }

  /** Sandboxes and snapshots made from it live on. */
  async delete(ref: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: `/v1/images/${encodeURIComponent(ref)}`, ...options })
  }
}
