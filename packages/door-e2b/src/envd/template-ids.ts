import type { Principal, Sandbox, SpawnpointApi } from '@spawnpoint/core'
import { templateLookup } from '../control/template-names.ts'

const KEPT_MAX = 1_000

/** Which template a sandbox is of, as the control plane says it. Remembered: every process that starts is told. */
export class TemplateIds {
  readonly #api: SpawnpointApi
  readonly #known = new Map<string, Promise<string>>()

  constructor(api: SpawnpointApi) {
    this.#api = api
  }

  of(by: Principal, sandbox: Sandbox): Promise<string> {
    const origin = sandbox.originSnapshotId ?? sandbox.imageId
    const known = this.#known.get(origin)
    if (known !== undefined) return known
    const found = templateLookup(this.#api, by)(sandbox).then(({ templateID }) => templateID)
    if (this.#known.size >= KEPT_MAX) this.#known.clear()
    this.#known.set(origin, found)
    // What was not found for lack of a ledger may be found the next time.
    found.catch(() => this.#known.delete(origin))
    return found
  }
}
