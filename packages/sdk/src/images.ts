import { Blobs } from './blobs.ts'
import type { OperationChange } from './operations.ts'
import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import { endedOf, push } from './push.ts'
import { labelQuery } from './requests.ts'
import type { Transport } from './transport.ts'
import type { BuildImage, BuildLogEntry, Dockerfile, Image, ImageState, Labels, Push, Pushed } from './types.ts'
import { toImage } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

export interface BuildDockerfile
  extends Omit<BuildImage, 'source' | 'registry' | 'credentials'>,
    Omit<Dockerfile, 'type' | 'context' | 'files'> {
  /** A tar archive, plain or gzip, which is sent unless the server has it; or the key of one that was uploaded */
  context?: Uint8Array | string | undefined
}

export interface BuildOptions {
  /** Stops waiting; the build goes on */
  signal?: AbortSignal | undefined
  onProgress?: ((change: OperationChange) => void) | undefined
}

const LOG_PAGE = 1_000

/** Read-only root filesystems that sandboxes are made from. */
export class Images {
  readonly #transport: Transport
  readonly #blobs: Blobs

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
    this.#blobs = new Blobs(transport)
  }

  /** Resolves when the image is ready, however long it takes; a connection that breaks meanwhile does no harm. */
  async build(request: BuildImage, options: BuildOptions = {}): Promise<Image> {
    const { body, answer } = await this.#transport.exchange<Schemas['Image']>({
      method: 'POST',
      path: '/v1/images',
      query: { wait: false },
      json: request satisfies Schemas['BuildImage'],
      signal: options.signal,
    })
    await endedOf(this.#transport, answer, options)
    return this.get(body.id, { signal: options.signal })
  }

  /**
   * Builds a Dockerfile: its text, or where it is in the context, a tar archive (plain or gzip) or the key of one that was
   * uploaded. Resolves as `build`; what it says meanwhile is in `log`.
   */
  async buildDockerfile(request: BuildDockerfile, options: BuildOptions = {}): Promise<Image> {
    const { dockerfile, path, context, buildArgs, target, force, pull, ...rest } = request
    const key = context instanceof Uint8Array ? await this.#blobs.upload(context, { signal: options.signal }) : context
    const source: Dockerfile = { type: 'dockerfile', dockerfile, path, context: key, buildArgs, target, force, pull }
    return this.build({ ...rest, source }, options)
  }

  /** By id, name, `NAME:TAG` or `NAME@ID`. */
  async get(ref: string, options: CallOptions = {}): Promise<Image> {
    const path = `/v1/images/${encodeURIComponent(ref)}`
    return toImage(await this.#transport.json({ method: 'GET', path, ...options }))
  }

  /** Newest first. */
  list(
    filter: { name?: string | undefined; states?: ImageState[] | undefined; labels?: Labels | undefined } = {},
    options: PageOptions = {},
  ): List<Image> {
    const query = { name: filter.name, state: filter.states, label: labelQuery(filter.labels) }
    return new List(this.#transport, { path: '/v1/images', query }, options, toImage)
  }

  /**
   * What its build did and printed, from entry number `offset` on. Complete once the image is ready or failed; of a failed
   * one the last entry says why.
   */
  async *log(
    ref: string,
    options: CallOptions & { offset?: number | undefined } = {},
  ): AsyncGenerator<BuildLogEntry, void, undefined> {
    const { offset = 0, ...call } = options
    const path = `/v1/images/${encodeURIComponent(ref)}/log`
    for (let next = offset; ; ) {
      const query = { offset: next, limit: LOG_PAGE }
      const page = await this.#transport.json<Schemas['BuildLog']>({ method: 'GET', path, query, ...call })
      for (const entry of page.entries) yield { ...entry, at: new Date(entry.at) }
      if (page.entries.length < LOG_PAGE) return
      next = page.nextOffset
    }
  }

  /** Ends the build of an image, by its id. Resolves with the image, which has failed, once nothing of the build is left. */
  async cancel(id: string, options: CallOptions = {}): Promise<Image> {
    const path = `/v1/images/${encodeURIComponent(id)}/cancel`
    return toImage(await this.#transport.json({ method: 'POST', path, ...options }))
  }

  /** Sandboxes, snapshots and images made from it live on. With `ifUnused`, throws `in_use` while sandboxes of it live. */
  async delete(ref: string, options: CallOptions & { ifUnused?: boolean | undefined } = {}): Promise<void> {
    const { ifUnused, ...call } = options
    const path = `/v1/images/${encodeURIComponent(ref)}`
    await this.#transport.json({ method: 'DELETE', path, query: { ifUnused }, ...call })
  }

  /**
   * Puts an image, or the files of a snapshot, where any container engine finds it. Resolves when it is there; a connection
   * that breaks meanwhile does no harm.
   */
  push(ref: string, request: Push, options: BuildOptions = {}): Promise<Pushed> {
    return push(this.#transport, `/v1/images/${encodeURIComponent(ref)}/push`, request, options)
  }
}
