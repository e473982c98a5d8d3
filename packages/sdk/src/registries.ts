import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import type { Transport } from './transport.ts'
import type { CreateRegistry, Registry, UpdateRegistry } from './types.ts'
import { toRegistry } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

/** Where images are kept, and as whom they are got. Passwords go in and never come out. */
export class Registries {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  async create(request: CreateRegistry, options: CallOptions = {}): Promise<Registry> {
    const json = request satisfies Schemas['CreateRegistry']
    return toRegistry(
      await this.#transport.json({ method: 'POST', path: '/v1/registries', json, repeat: 'never', ...options }),
    )
  }

  /** By id or name. */
  async get(ref: string, options: CallOptions = {}): Promise<Registry> {
    return toRegistry(await this.#transport.json({ method: 'GET', path: pathOf(ref), ...options }))
  }

  /** Newest first. */
  list(filter: { nameContains?: string | undefined } = {}, options: PageOptions = {}): List<Registry> {
    return new List(this.#transport, { path: '/v1/registries', query: filter }, options, toRegistry)
  }

  /** What is absent stays as it is; a new address without a new password forgets the password. */
  async update(ref: string, changes: UpdateRegistry, options: CallOptions = {}): Promise<Registry> {
    const json = changes satisfies Schemas['UpdateRegistry']
    return toRegistry(await this.#transport.json({ method: 'PATCH', path: pathOf(ref), json, ...options }))
  }

  /** Images that came from it stay. */
  async delete(ref: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: pathOf(ref), ...options })
  }
}

function pathOf(ref: string): string {
  return `/v1/registries/${encodeURIComponent(ref)}`
}
