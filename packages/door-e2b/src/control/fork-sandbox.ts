import type { ForkedChild, ForkRequest, Principal, SpawnpointApi } from '@spawnpoint/core'
import { mustBe } from './arrive.ts'
import { lifetimeMs } from './timeouts.ts'

const TIMEOUT_S = 300

/** Children that go on as the origin is now, with its metadata and rules, each with a time of its own. */
export async function forkSandbox(
  api: SpawnpointApi,
  by: Principal,
  id: string,
  asked: { count: number; mode: ForkRequest['mode']; timeoutS: number | undefined },
): Promise<ForkedChild[]> {
  const timeoutMs = lifetimeMs(asked.timeoutS ?? TIMEOUT_S)
  const { labels, timeout } = await mustBe(api, by, id, 'running', 'fork')
  const { done } = await api.sandboxes.fork(by, id, {
    count: asked.count,
    mode: asked.mode,
    overrides: { labels, timeout: { ...timeout, timeoutMs } },
  })
  return done
}
