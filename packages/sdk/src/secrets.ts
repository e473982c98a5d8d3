import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import type { Transport } from './transport.ts'
import type { Secret, SetSecret } from './types.ts'
import { toSecret } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

/** What rules of sandboxes put into requests as `{NAME}`. Values go in and never come out. */
export class Secrets {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Stores it, or gives it another value; sandboxes whose rules use it do so with that at once. */
  async set(name: string, request: SetSecret, options: CallOptions = {}): Promise<Secret> {
    const json = request satisfies Schemas['SetSecret']
    return toSecret(await this.#transport.json({ method: 'PUT', path: pathOf(name), json, ...options }))
  }

  async get(name: string, options: CallOptions = {}): Promise<Secret> {
    return toSecret(await this.#transport.json({ method: 'GET', path: pathOf(name), ...options }))
  }

  /** Newest first. */
  list(filter: { nameContains?: string | undefined } = {}, options: PageOptions = {}): List<Secret> {
    return new List(this.#transport, { path: '/v1/secrets', query: filter }, options, toSecret)
  }

  /** Requests that need it are refused from now on. */
  async delete(name: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: pathOf(name), ...options })
  }
}

function pathOf(name: string): string {
  return `/v1/secrets/${encodeURIComponent(name)}`
}
