import type { IncomingMessage } from 'node:http'
import { notFound, type Principal, type Sandbox, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import type { Finder } from '@spawnpoint/gateway'
import { ENVD_PORT } from '../secure.ts'
import { ENVD_TOKEN } from '../tokens.ts'
import { SandboxSearch } from './sandbox-search.ts'

const AGENT = /^\/(files(\/compose)?|health|(process\.Process|filesystem\.Filesystem)\/\w+)(\?|$)/
const TOKEN = /^[0-9a-f]{64}$/
const REMEMBERED = 1000

/**
 * Calls of the agent, on an address that all sandboxes share, that name no sandbox but show its token: Novita's Python package
 * sends nothing else once `Sandbox.connect` has found a sandbox by its id. The one whose token it is is meant.
 */
export class ShownTokens implements Finder {
  readonly #api: SpawnpointApi
  /** Ids by token, the latest last: who shows one does so with every call, and to look for it takes all sandboxes */
  readonly #known = new Map<string, string>()
  readonly #search: SandboxSearch

  constructor(api: SpawnpointApi) {
    this.#api = api
    this.#search = new SandboxSearch(api)
  }

  matches(req: IncomingMessage): boolean {
    return tokenOf(req) !== null && AGENT.test(req.url ?? '/')
  }

  /** Rejects `unavailable` when too many are looked for, and `not_found`: a sandbox that does not run is no other thing to its clients than one that never was. */
  async find(req: IncomingMessage): Promise<{ by: Principal; sandbox: Sandbox; port: number }> {
    const token = tokenOf(req) ?? ''
    const found = (await this.#again(token)) ?? (await this.#holder(token))
    if (found === null) throw notFound('sandbox', 'of the token')
    return { ...found, port: ENVD_PORT }
  }

  async #again(token: string) {
    const id = this.#known.get(token)
    return id === undefined ? null : this.#api.sandboxes.reach(id)
  }

  async #holder(token: string) {
    this.#known.delete(token)
    const found = await this.#search.first(({ id }) => this.#api.tokens.verify(ENVD_TOKEN, id, token))
    if (found === 'busy') {
      const reason = 'too many sandboxes are looked for by their tokens'
      throw new SpawnpointError('unavailable', reason, { reason })
    }
    if (found === null) return null
    this.#known.set(token, found.sandbox.id)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED) break
      this.#known.delete(oldest)
    }
    return found
  }
}

function tokenOf({ headers }: IncomingMessage): string | null {
  const token = headers['x-access-token']
  return typeof token === 'string' && TOKEN.test(token) ? token : null
}
