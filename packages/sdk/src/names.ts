import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import type { Transport } from './transport.ts'
import type { Name } from './types.ts'
import { toName } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

/** Names whose tags point to images and snapshots. The id of a name stays while what its tags point to changes. */
export class Names {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** By id or name. */
  async get(ref: string, options: CallOptions = {}): Promise<Name> {
    return toName(await this.#transport.json({ method: 'GET', path: pathOf(ref), ...options }))
  }

  /** Newest first. */
  list(options: PageOptions = {}): List<Name> {
    return new List(this.#transport, { path: '/v1/names' }, options, toName)
  }

  /** Points the tag to an image or a snapshot, making the name if there is none. */
  async tag(
    ref: string,
    tag: string,
    target: { image: string } | { snapshot: string },
    options: CallOptions = {},
  ): Promise<Name> {
    const path = `${pathOf(ref)}/tags/${encodeURIComponent(tag)}`
    const json = target satisfies Schemas['SetTag']
    return toName(await this.#transport.json({ method: 'PUT', path, json, ...options }))
  }

  async untag(ref: string, tag: string, options: CallOptions = {}): Promise<void> {
    const path = `${pathOf(ref)}/tags/${encodeURIComponent(tag)}`
    await this.#transport.json({ method: 'DELETE', path, ...options })
  }

  /** With its tags; what they pointed to stays. */
  async delete(ref: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: pathOf(ref), ...options })
  }
}

function pathOf(ref: string): string {
  return `/v1/names/${encodeURIComponent(ref)}`
}
