import { isCode, notFound, type Principal, type Sandbox, type SpawnpointApi } from '@spawnpoint/core'

/** Milliseconds for which one that never came up is found by the name it would have had: who waits for it asks for that */
const TOLD_MS = 600_000

/** One that was deleted is not there; one that never came up is, and says why. */
export async function find(api: SpawnpointApi, by: Principal, ref: string): Promise<Sandbox> {
  const sandbox = await orNull(api.sandboxes.get(by, ref))
  if (sandbox !== null && (sandbox.state !== 'killed' || sandbox.failure !== null)) return sandbox
  const { items } = await api.sandboxes.list(by, { states: ['killed'], name: ref }, { limit: 1 })
  const [last] = items
  if (last?.failure != null && Date.now() - Number(last.endedAt) < TOLD_MS) return last
  throw notFound('sandbox', ref)
}

/** One that never came up is gone already: whoever made it clears up after it like after others. */
export async function remove(api: SpawnpointApi, by: Principal, ref: string): Promise<void> {
  try {
    await api.sandboxes.kill(by, ref)
  } catch (error) {
    if (!isCode(error, 'not_found')) throw error
    await find(api, by, ref)
  }
}

async function orNull<T>(found: Promise<T>): Promise<T | null> {
  try {
    return await found
  } catch (error) {
    if (isCode(error, 'not_found')) return null
    throw error
  }
}
