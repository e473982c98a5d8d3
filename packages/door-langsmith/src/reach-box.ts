import { type Guest, isCode, type Principal, type Sandbox, type SpawnpointApi } from '@spawnpoint/core'
import { OWN } from './labels.ts'

/** A box that loses its files with every stop: the next start begins with what the box was made from. */
export function keepsNothing({ labels }: Pick<Sandbox, 'labels'>): boolean {
  return labels[OWN.persistent] === 'false'
}

const starting = new Map<string, Promise<Sandbox>>()

/** One beginning at a time: a second would take away what was done since the first. */
export async function startAnew(api: SpawnpointApi, by: Principal, { id }: Pick<Sandbox, 'id'>): Promise<Sandbox> {
  const begun =
    starting.get(id) ??
    api.sandboxes
      .rollback(by, id, { origin: true })
      .then(({ done }) => done)
      .finally(() => starting.delete(id))
  starting.set(id, begun)
  return begun
}

/** The inside of a box, brought back if it rests. */
export async function reachBox(
  api: SpawnpointApi,
  by: Principal,
  ref: string,
): Promise<{ sandbox: Sandbox; guest: Guest }> {
  try {
    return await api.sandboxes.guest(by, ref)
  } catch (error) {
    if (!isCode(error, 'wrong_state')) throw error
    const sandbox = await api.sandboxes.get(by, ref)
    if (!keepsNothing(sandbox)) throw error
    if (sandbox.state === 'stopped' || sandbox.state === 'paused' || starting.has(sandbox.id))
      await startAnew(api, by, sandbox)
    return api.sandboxes.guest(by, ref)
  }
}
