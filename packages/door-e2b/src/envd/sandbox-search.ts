import { type Sandbox, type SpawnpointApi, Turns } from '@spawnpoint/core'

/** Searches that wait: who has no key can make up any number of what is searched by */
const MAX_WAITING = 256

/**
 * Finds the sandbox that a request means and does not name. A search looks at every sandbox there is: there is one at a
 * time.
 */
export class SandboxSearch {
  readonly #api: Pick<SpawnpointApi, 'sandboxes'>
  readonly #turns = new Turns<'search'>()
  #waiting = 0

  constructor(api: Pick<SpawnpointApi, 'sandboxes'>) {
    this.#api = api
  }

  /** The first that fits; `null` if none does, `busy` if too many searches wait. */
  async first(fits: (sandbox: Sandbox) => boolean) {
    if (this.#waiting >= MAX_WAITING) return 'busy'
    this.#waiting += 1
    try {
      return await this.#turns.take('search', () => this.#first(fits))
    } finally {
      this.#waiting -= 1
    }
  }

  async #first(fits: (sandbox: Sandbox) => boolean) {
    for await (const reached of this.#api.sandboxes.reachAll()) if (fits(reached.sandbox)) return reached
    return null
  }
}
