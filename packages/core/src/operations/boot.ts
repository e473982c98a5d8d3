import { hostnameOf, identityOf } from '../guests.ts'
import type { IncarnationId, RootId, Sandbox, Snapshot } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { Guest, GuestIdentity, IdentityReport, OutgoingRule, RootSource } from '../ports/index.ts'
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

/** An incarnation on its way up. Whoever gives it up kills it; both reject then. */
export interface Beginning {
  guest: Promise<Guest>
  report: Promise<IdentityReport>
}

/**
 * Sets an incarnation going as `sandbox`, on a root that exists. It is told who it is before it runs, so that it knows as
 * soon as it wakes.
 */
export function begin(
  parts: Parts,
  sandbox: Sandbox,
  { rootId, incarnationId, memory }: Pick<BootPlan, 'rootId' | 'incarnationId' | 'memory'>,
  credentials: readonly OutgoingRule[],
  options: Pick<GuestIdentity, 'tmpOnRoot'> = {},
): Beginning {
  const { pool, runtime, config } = parts
  const spec = {
    id: incarnationId,
    rootPath: pool.rootPath(rootId),
    hostname: hostnameOf(sandbox),
    resources: sandbox.resources,
    volumes: sandbox.volumes.map(({ volumeId, path, readOnly }) => ({
      path,
      source: pool.rootPath(volumeRoot(volumeId)),
      readOnly,
    })),
    network: sandbox.network,
    credentials,
    bootTimeoutMs: config.bootTimeoutMs,
  }
  const identity = { ...identityOf(parts, sandbox, memory === null ? 'boot' : 'restore'), ...options }
  let identifying: Promise<IdentityReport> | null = null
  const greet = (guest: Guest) => {
    identifying = guest.identify(identity)
    identifying.catch(() => {}) // a try that came to nothing; that of one that comes up is told below
  }
  const guest =
    memory === null
      ? runtime.start(spec, greet)
      : runtime.restore(spec, { dir: pool.memoryDir(memory.id), requirements: requirementsOf(memory) }, greet)
  const report = guest.then((guest) => identifying ?? guest.identify(identity))
  report.catch(() => {}) // whoever waits for the guest hears of its failure first
  return { guest, report }
}

/**
 * Brings up an incarnation as `sandbox` (its record as it will be), or waits for it where that has begun already. Leaves
 * undoing to the caller, who has both ids in the operation's record before this is called: see `unboot`.
 */
export async function boot(
  work: Work<unknown>,
  sandbox: Sandbox,
  plan: BootPlan,
  options: Pick<GuestIdentity, 'tmpOnRoot'> = {},
): Promise<{ guest: Guest; report: IdentityReport }> {
  const { pool, runtime, config } = work.parts
  const { source, memory, rootId, incarnationId } = plan
  if (source !== null) {
    await work.step('clone', () => pool.createRoot(rootId, source, { diskBytes: sandbox.resources.diskBytes }))
  }
  const begun = work.guests.begun(incarnationId)
  const rules = begun === null ? await outgoingRules(work.parts, sandbox) : []
  // What comes up may be as hostile as what was captured.
  const cutOff = () => void work.undo('kill incarnation', () => runtime.kill(incarnationId))
  const comingUp = async () => {
    const { guest, report } = begun ?? begin(work.parts, sandbox, plan, rules, options)
    return { guest: await guest, identified: report }
  }
  const what = memory === null ? 'boot' : 'restore'
  const { guest, identified } = await work.step(what, () => work.fromGuest(what, comingUp, { cutOff }))
  work.guests.keep(incarnationId, guest)
  const timeoutMs = config.hookTimeoutMs + IDENTIFY_MS
  const report = await work.step('identify', () => work.fromGuest('identify', () => identified, { timeoutMs }))
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
