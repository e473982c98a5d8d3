import type {
  Event,
  FailureReason,
  IncarnationId,
  RootId,
  Sandbox,
  SandboxId,
  SandboxState,
  Snapshot,
  SnapshotId,
} from '../model.ts'
import type { Parts } from '../parts.ts'
import type { LedgerTx } from '../ports/index.ts'
import { isResting, mustMove } from './lifecycle.ts'

/** Moves a sandbox, which it locks, along an arrow of the table, with its event. A patch may depend on the record as it is. */
export async function moveSandbox(
  parts: Parts,
  tx: LedgerTx,
  id: SandboxId,
  event: string,
  patch: Partial<Sandbox> | ((current: Sandbox) => Partial<Sandbox>) = {},
  data: Record<string, unknown> = {},
): Promise<Sandbox> {
  const current = await tx.lockSandbox(id)
  if (current === null) throw new Error(`sandbox ${id} has no record`)
  const state = mustMove(current.state, event)
  const changes = typeof patch === 'function' ? patch(current) : patch
  const next: Sandbox = { ...current, ...changes, state, haltedAt: haltedAt(parts, current, state) }
  await tx.putSandbox(next)
  await tx.addEvent(sandboxEvent(parts, next, `sandbox.${next.state}`, { event, from: current.state, ...data }))
  return next
}

/** Since when the sandbox rests: kept through attempts to bring it back that fail, until it runs. */
function haltedAt(parts: Parts, current: Sandbox, next: SandboxState): Date | null {
  if (next === 'running') return null
  return isResting({ state: next }) ? (current.haltedAt ?? parts.clock.now()) : current.haltedAt
}

/**
 * Moves a sandbox to the new incarnation that its operation has brought up. Its timeout counts from now, by the policy that is
 * recorded now, since that may have changed meanwhile.
 */
export async function arrive(
  parts: Parts,
  tx: LedgerTx,
  id: SandboxId,
  patch: Partial<Sandbox> & { incarnationId: IncarnationId },
  data: Record<string, unknown>,
): Promise<Sandbox> {
  const startedAt = parts.clock.now()
  const arrived = (current: Sandbox) => ({ failure: null, startedAt, expiresAt: expiryFrom(parts, current), ...patch })
  return moveSandbox(parts, tx, id, 'done', arrived, data)
}

export function sandboxEvent(
  parts: Parts,
  sandbox: Pick<Sandbox, 'teamId' | 'id'>,
  type: string,
  data: Record<string, unknown>,
): Omit<Event, 'seq'> {
  return {
    teamId: sandbox.teamId,
    type,
    sandboxId: sandbox.id,
    snapshotId: null,
    imageId: null,
    data,
    at: parts.clock.now(),
  }
}

/** Changes a locked snapshot, with the event `snapshot.<state>` unless it is internal. */
export async function changeSnapshot(
  parts: Parts,
  tx: LedgerTx,
  id: SnapshotId,
  patch: Partial<Snapshot>,
): Promise<Snapshot> {
  const current = await tx.lockSnapshot(id)
  if (current === null) throw new Error(`snapshot ${id} has no record`)
  const next: Snapshot = { ...current, ...patch }
  // The record of a failed one only says why; it is deleted after a while.
  if (next.state === 'failed' && current.state !== 'failed')
    next.purgeAt = new Date(parts.clock.now().getTime() + parts.config.keep.historyMs)
  await tx.putSnapshot(next)
  if (!next.internal && next.state !== current.state)
    await tx.addEvent(snapshotEvent(parts, next, `snapshot.${next.state}`))
  return next
}

export function snapshotEvent(parts: Parts, snapshot: Snapshot, type: string): Omit<Event, 'seq'> {
  return {
    teamId: snapshot.teamId,
    type,
    sandboxId: snapshot.sandboxId,
    snapshotId: snapshot.id,
    imageId: null,
    data: { kind: snapshot.kind, name: snapshot.name, failure: snapshot.failure },
    at: parts.clock.now(),
  }
}

/** Expiry that follows from a sandbox's timeout policy when it begins to run. */
export function expiryFrom(parts: Parts, sandbox: Pick<Sandbox, 'timeout'>): Date | null {
  const { timeoutMs } = sandbox.timeout
  return timeoutMs === null ? null : new Date(parts.clock.now().getTime() + timeoutMs)
}

/**
 * Ends an operation that failed or was cut off, back to where the sandbox came from (`event`), or to `failed` if its
 * incarnation was lost meanwhile. Preconditions: the state is the in-between one of that operation.
 */
export async function fallBack(
  parts: Parts,
  tx: LedgerTx,
  id: SandboxId,
  event: string,
  loss: { reason: FailureReason; detail: string } | null,
  patch: Partial<Sandbox> = {},
): Promise<Sandbox> {
  if (loss === null) return moveSandbox(parts, tx, id, event, patch)
  return moveSandbox(parts, tx, id, 'exited', { ...patch, incarnationId: null, failure: loss })
}

/** The record of a sandbox. Throws if there is none: an operation has claimed it, so there must be. */
export async function recordOf(parts: Parts, id: SandboxId): Promise<Sandbox> {
  const sandbox = await parts.ledger.read.sandbox(id)
  if (sandbox === null) throw new Error(`sandbox ${id} has no record`)
  return sandbox
}

/** A sandbox that has an incarnation and a root. */
export type LiveSandbox = Sandbox & { incarnationId: IncarnationId; rootId: RootId }

export async function liveSandbox(parts: Parts, id: SandboxId): Promise<LiveSandbox> {
  const sandbox = await parts.ledger.read.sandbox(id)
  if (sandbox === null || sandbox.incarnationId === null || sandbox.rootId === null) {
    throw new Error(`sandbox ${id} has no incarnation though its state says so`)
  }
  return sandbox as LiveSandbox
}
