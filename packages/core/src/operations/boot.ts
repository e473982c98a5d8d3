import { hostnameOf, identityOf } from '../guests.ts'
import type { IncarnationId, RootId, Sandbox, Snapshot } from '../model.ts'
import type { Guest, GuestIdentity, IdentityReport, RootSource } from '../ports/index.ts'
import { outgoingRules } from '../services/credentials.ts'
import { volumeRoot } from '../volume-root.ts'
import type { Work } from './runner.ts'

/** Milliseconds that an agent may take to become somebody, hooks apart: others may wait for it, as a fork's children do */
const IDENTIFY_MS = 30_000

/** What a new incarnation is made from. `memory` absent means a cold boot. */
export interface BootPlan {
  rootId: RootId
  incarnationId: IncarnationId
  /** Clone this into `rootId` first; absent where the root exists already */
  source: RootSource | null
  memory: Snapshot | null
}

/**
 * Brings up an incarnation as `sandbox` (its record as it will be). Leaves undoing to the caller, who has both ids in the
 * operation's record before this is called: see `unboot`.
 */
export async function boot(
  work: Work<unknown>,
  sandbox: Sandbox,
  plan: BootPlan,
  options: Pick<GuestIdentity, 'tmpOnRoot'> = {},
): Promise<{ guest: Guest; report: IdentityReport }> {
  const { pool, runtime, config } = work.parts
  const { source, memory } = plan
  if (source !== null) {
    await work.step('clone', () => pool.createRoot(plan.rootId, source, { diskBytes: sandbox.resources.diskBytes }))
  }
  const spec = {
    id: plan.incarnationId,
    rootPath: pool.rootPath(plan.rootId),
    hostname: hostnameOf(sandbox),
    resources: sandbox.resources,
    volumes: sandbox.volumes.map(({ volumeId, path, readOnly }) => ({
      path,
      source: pool.rootPath(volumeRoot(volumeId)),
      readOnly,
    })),
    network: sandbox.network,
    credentials: await outgoingRules(work.parts, sandbox),
    bootTimeoutMs: config.bootTimeoutMs,
  }
  // What comes up may be as hostile as what was captured.
  const cutOff = () => void work.undo('kill incarnation', () => runtime.kill(plan.incarnationId))
  const guest = await (memory === null
    ? work.step('boot', () => work.fromGuest('boot', () => runtime.start(spec), { cutOff }))
    : work.step('restore', () => {
        const image = { dir: pool.memoryDir(memory.id), requirements: requirementsOf(memory) }
        return work.fromGuest('restore', () => runtime.restore(spec, image), { cutOff })
      }))
  work.guests.keep(plan.incarnationId, guest)
  const report = await work.step('identify', () =>
    work.fromGuest(
      'identify',
      () => guest.identify({ ...identityOf(work.parts, sandbox, memory === null ? 'boot' : 'restore'), ...options }),
      { timeoutMs: config.hookTimeoutMs + IDENTIFY_MS },
    ),
  )
  return { guest, report }
}

/** Undoes whatever `boot` got to. Repeatable; reports, never throws. */
export async function unboot(
  work: Work<unknown>,
  plan: Pick<BootPlan, 'incarnationId'> & { rootId: RootId | null },
): Promise<void> {
  work.guests.forget(plan.incarnationId)
  await work.undo('kill incarnation', () => work.parts.runtime.kill(plan.incarnationId))
  const { rootId } = plan
  if (rootId !== null) await work.undo('delete root', () => work.parts.pool.deleteRoot(rootId))
}

/**
 * Ends an incarnation that is not wanted any more, and its root if one is given. Repeatable. Rejects if it cannot be ended:
 * a record that says it is gone while it writes on would give its root to two.
 */
export async function retire(
  work: Work<unknown>,
  plan: { incarnationId: IncarnationId; rootId: RootId | null },
): Promise<void> {
  work.guests.forget(plan.incarnationId)
  await work.parts.runtime.kill(plan.incarnationId)
  const { rootId } = plan
  if (rootId !== null) await work.undo('delete root', () => work.parts.pool.deleteRoot(rootId))
}

export function requirementsOf(snapshot: Snapshot) {
  if (snapshot.requirements === null) throw new Error(`memory snapshot ${snapshot.id} has no requirements recorded`)
  return snapshot.requirements
}
