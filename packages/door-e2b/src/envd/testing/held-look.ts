import type { SpawnpointApi } from '@spawnpoint/core'

/** An API that finds no sandbox, and counts how often it is looked for; each look lasts until `end`. */
export function heldLook(): { api: SpawnpointApi; looks: () => number; end: () => void } {
  const go = Promise.withResolvers<void>()
  let looks = 0
  const reachAll = async function* () {
    looks += 1
    await go.promise
    yield* []
  }
  return { api: { sandboxes: { reachAll } } as unknown as SpawnpointApi, looks: () => looks, end: go.resolve }
}
