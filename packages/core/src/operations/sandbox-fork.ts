import type { ForkedChild } from '../api.ts'
import { SpawnpointError, toSpawnpointError } from '../errors.ts'
import type { IncarnationId, Operation, RootId, Sandbox, SandboxId, SnapshotId } from '../model.ts'
import type { LedgerReads } from '../ports/index.ts'
import { changeSnapshot, fallBack, liveSandbox, moveSandbox } from '../sandbox/records.ts'
import { capture, letRun } from './capture.ts'
import { interrupted, type OperationDefinition, type Work } from './runner.ts'
import { bringUp, type CreateDetail, commitRunning, commitUndone, undoCreate } from './sandbox-create.ts'
import { publish } from './snapshot-create.ts'

export interface ForkDetail {
  sandboxId: SandboxId
  incarnationId: IncarnationId
  rootId: RootId
  /** Internal snapshot of the fork point, removed at the end */
  snapshotId: SnapshotId
  mode: 'all_or_nothing' | 'best_effort'
  children: CreateDetail[]
  /** By child, once all have ended: why it could not be started */
  errors?: ({ code: string; message: string } | null)[]
}

/**
 * capturing: the fork point is captured, the origin runs on ─► spawning: children are brought up, as many at a time as the
 * runtime takes ─► cleaning: the fork point goes ─► done.
 * Cut off before `cleaning`: every child is undone, also those that run already: their caller was told of none.
 */
export const sandboxFork: OperationDefinition<ForkDetail, ForkedChild[]> = {
  kind: 'sandbox.fork',
  async run(work) {
    const { detail, parts } = work
    try {
      const plan = { snapshotId: detail.snapshotId, kind: 'memory', hooks: true, requireHooks: false } as const
      const captured = await capture(work, await liveSandbox(parts, detail.sandboxId), plan, 'run')
      const patch = await publish(work, detail.snapshotId, captured)
      await work.enter('spawning', async (tx) => {
        await changeSnapshot(parts, tx, detail.snapshotId, patch)
        await moveSandbox(parts, tx, detail.sandboxId, 'done')
      })
      // All come to an end before one that could not be recorded ends the fork: an undo must not overtake a restore.
      const ends = await Promise.allSettled(detail.children.map((child) => spawn(work, child)))
      const children = ends.map((end) => {
        if (end.status === 'rejected') throw end.reason
        return end.value
      })
      const failed = children.find((child) => child.error !== null)
      if (failed?.error && detail.mode === 'all_or_nothing') {
        throw new SpawnpointError(
          'runtime_failed',
          `A child could not be started, so none is kept: ${failed.error.message}`,
          {
            step: 'fork',
            detail: failed.error.message,
          },
        )
      }
      detail.errors = children.map((child) => child.error)
      await work.enter('cleaning')
      await clean(work, 'done')
      return children
    } catch (error) {
      if (work.operation.state === 'open') await undo(work, error)
      throw error
    }
  },
  async recover(work) {
    if (work.operation.phase === 'cleaning') await clean(work, 'done')
    else await undo(work, interrupted())
  },
}

export function isChildOf(fork: Operation, id: SandboxId): boolean {
  return (fork.detail as unknown as ForkDetail).children.some((child) => child.sandboxId === id)
}

/** The children of a fork that is done, as they are now. */
export async function childrenOf(read: LedgerReads, detail: ForkDetail): Promise<ForkedChild[]> {
  return Promise.all(
    detail.children.map(async ({ sandboxId }, n) => {
      const error = detail.errors?.[n] ?? null
      if (error !== null) return { sandbox: null, error }
      const sandbox = await read.sandbox(sandboxId)
      if (sandbox === null) throw new Error(`sandbox ${sandboxId} has no record`)
      return { sandbox, error: null }
    }),
  )
}

async function spawn(work: Work<ForkDetail>, child: CreateDetail): Promise<ForkedChild> {
  const { parts } = work
  try {
    const { startedAt, report } = await bringUp(work, child)
    const sandbox = await parts.ledger.transact((tx) =>
      commitRunning(parts, tx, child, startedAt, { identity: report }),
    )
    work.point('child')
    return { sandbox, error: null }
  } catch (error) {
    const known = toSpawnpointError(error)
    await undoCreate(work, child)
    await parts.ledger.transact((tx) => commitUndone(parts, tx, child, 'create_failed', known.message))
    return { sandbox: null, error: { code: known.code, message: known.message } }
  }
}

async function clean(work: Work<ForkDetail>, outcome: 'done' | SpawnpointError): Promise<void> {
  const { detail, parts } = work
  await work.undo('delete snapshot', () => parts.pool.deleteSnapshot(detail.snapshotId))
  await work.end(outcome, async (tx) => {
    await tx.deleteSnapshot(detail.snapshotId)
  })
}

async function undo(work: Work<ForkDetail>, error: unknown): Promise<void> {
  const { detail, parts } = work
  const capturing = work.operation.phase === 'capturing'
  if (capturing) await letRun(work, { id: detail.sandboxId, incarnationId: detail.incarnationId })
  await Promise.all(detail.children.map((child) => undoCreate(work, child)))
  const loss = capturing ? await work.guests.lossOf(detail.incarnationId) : null
  await work.undo('delete snapshot', () => parts.pool.deleteSnapshot(detail.snapshotId))
  await work.end(toSpawnpointError(error), async (tx) => {
    if (capturing) await fallBack(parts, tx, detail.sandboxId, 'fail', loss)
    for (const child of detail.children) await endChild(work, tx, child)
    await tx.deleteSnapshot(detail.snapshotId)
  })
}

/** A child may be in any state that `spawn` got it to. */
async function endChild(
  work: Work<ForkDetail>,
  tx: Parameters<typeof commitUndone>[1],
  child: CreateDetail,
): Promise<void> {
  const { parts } = work
  const record: Sandbox | null = await tx.lockSandbox(child.sandboxId)
  if (record?.state === 'creating') return commitUndone(parts, tx, child, 'interrupted', 'The fork was undone')
  if (record?.state !== 'running') return
  await moveSandbox(parts, tx, child.sandboxId, 'kill')
  await moveSandbox(parts, tx, child.sandboxId, 'done', {
    incarnationId: null,
    rootId: null,
    expiresAt: null,
    endedAt: parts.clock.now(),
    failure: { reason: 'interrupted', detail: 'The fork was undone' },
  })
}
