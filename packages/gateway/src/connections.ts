import type { IncarnationId, Sandbox, SpawnpointApi } from '@spawnpoint/core'

/**
 * Connections into incarnations, so that all into one break when it ends. One wait for each incarnation, however many
 * connections come and go: waits that nobody takes back would pile up.
 */
export class Connections {
  readonly #api: Pick<SpawnpointApi, 'sandboxes'>
  readonly #open = new Map<IncarnationId, Set<() => void>>()

  constructor(api: Pick<SpawnpointApi, 'sandboxes'>) {
    this.#api = api
  }

  /** Calls `broken` when the present incarnation of the sandbox ends, at once if it has, unless disposed before. */
  hold({ id, incarnationId }: Pick<Sandbox, 'id' | 'incarnationId'>, broken: () => void): Disposable {
    if (incarnationId === null) {
      broken()
      return { [Symbol.dispose]() {} }
    }
    let open = this.#open.get(incarnationId)
    if (open === undefined) {
      open = new Set()
      this.#open.set(incarnationId, open)
      void this.#api.sandboxes.gone(id, incarnationId).then(() => this.#end(incarnationId))
    }
    const held = open
    held.add(broken)
    return {
      [Symbol.dispose]() {
        held.delete(broken)
      },
    }
  }

  #end(id: IncarnationId): void {
    const open = this.#open.get(id)
    this.#open.delete(id)
    for (const broken of open ?? []) broken()
  }
}
