import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import type { Transport } from './transport.ts'
import type { CreateVolume, Volume } from './types.ts'
import { toVolume } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

/** Files that outlive the sandboxes which mount them: `sandboxes.create({ …, volumes: [{ volume, path }] })`. */
export class Volumes {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  async create(request: CreateVolume, options: CallOptions = {}): Promise<Volume> {
    const json = request satisfies Schemas['CreateVolume']
    return toVolume(
      await this.#transport.json({ method: 'POST', path: '/v1/volumes', json, repeat: 'never', ...options }),
    )
  }

  /** By id or name. */
  async get(ref: string, options: CallOptions = {}): Promise<Volume> {
    return toVolume(await this.#transport.json({ method: 'GET', path: pathOf(ref), ...options }))
  }

  /** Newest first. */
  list(filter: { nameContains?: string | undefined } = {}, options: PageOptions = {}): List<Volume> {
    return new List(this.#transport, { path: '/v1/volumes', query: filter }, options, toVolume)
  }

  usage(ref: string, options: CallOptions = {}): Promise<{ usedBytes: number }> {
    return this.#transport.json({ method: 'GET', path: `${pathOf(ref)}/usage`, ...options })
  }

  /** Changes how much it holds: 1 MiB to 1 TiB, not less than is in it; also while it is mounted. */
  async resize(ref: string, request: { sizeBytes: number }, options: CallOptions = {}): Promise<Volume> {
    const json = request satisfies Schemas['UpdateVolume']
    return toVolume(await this.#transport.json({ method: 'PATCH', path: pathOf(ref), json, ...options }))
  }

  /** With all that is in it. Throws `in_use` while a living sandbox mounts it. */
  async delete(ref: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: pathOf(ref), ...options })
  }
}

function pathOf(ref: string): string {
  return `/v1/volumes/${encodeURIComponent(ref)}`
}
