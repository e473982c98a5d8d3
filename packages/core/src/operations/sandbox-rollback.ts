import { notFound, toSpawnpointError } from '../errors.ts'
import type { IncarnationId, RootId, Sandbox, SandboxId, SandboxState, SnapshotId } from '../model.ts'
import { arrive, fallBack } from '../sandbox/records.ts'
import { imageOrigin, snapshotOrigin } from '../standby.ts'
import { boot, retire, unboot } from './boot.ts'
import { letRun } from './capture.ts'
import { interrupted, type OperationDefinition, type Work } from './runner.ts'

/** States a rollback can begin in, and the arrow back to each. */
export const ROLLBACK_FAIL: Partial<Record<SandboxState, string>> = {
  running: 'failRunning',
  paused: 'failPaused',
  stopped: 'failStopped',
  failed: 'failFailed',
}

export interface RollbackDetail {
  sandboxId: SandboxId
  /** `null` for the sandbox's image, booted anew */
  snapshotId: SnapshotId | null
  from: SandboxState
  /** What the sandbox is now, removed once it has been replaced */
  oldIncarnationId: IncarnationId | null
  oldRootId: RootId | null
  oldPausedSnapshotId: SnapshotId | null
  /** What it becomes */
  incarnationId: IncarnationId
  rootId: RootId
}

/**
 * restoring: the old incarnation stands still, the new one is brought up beside it ─► switched: the sandbox is the new one,
 * the old one is removed ─► done. Cut off while restoring: the new one is removed and the old one runs on. After the switch:
 * finished. The two never run user code at the same time.
 */
export const sandboxRollback: OperationDefinition<RollbackDetail, Sandbox> = {
  kind: 'sandbox.rollback',
  async run(work) {
    const { detail, parts } = work
    try {
      const sandbox = await parts.ledger.read.sandbox(detail.sandboxId)
      if (sandbox === null) throw new Error(`sandbox ${detail.sandboxId} has no record`)
      const snapshot = detail.snapshotId === null ? null : await parts.ledger.read.snapshot(detail.snapshotId)
      if (detail.snapshotId !== null && snapshot === null) throw notFound('snapshot', detail.snapshotId)
      const { source, memory } =
        snapshot === null ? imageOrigin({ id: sandbox.imageId }) : snapshotOrigin(snapshot, false)
      const old = detail.oldIncarnationId
      if (old !== null) await work.step('pause', () => parts.runtime.pause(old))
      const generation = Math.max(sandbox.generation, snapshot?.generation ?? 0) + 1
      const { report } = await boot(
        work,
        { ...sandbox, generation },
        { rootId: detail.rootId, incarnationId: detail.incarnationId, source, memory },
      )
      await work.enter('switched', async (tx) => {
        const { incarnationId, rootId, snapshotId } = detail
        const patch = { incarnationId, rootId, pausedSnapshotId: null, sourceSnapshotId: snapshotId, generation }
        await arrive(parts, tx, detail.sandboxId, patch, { snapshotId, identity: report })
      })
    } catch (error) {
      await undo(work, error)
      throw error
    }
    await removeOld(work)
    const running = await parts.ledger.read.sandbox(detail.sandboxId)
    if (running === null) throw new Error(`sandbox ${detail.sandboxId} has no record`)
    return running
  },
  async recover(work) {
    if (work.operation.phase === 'switched') await removeOld(work)
    else await undo(work, interrupted())
  },
}

async function removeOld(work: Work<RollbackDetail>): Promise<void> {
  const { detail, parts } = work
  if (detail.oldIncarnationId !== null)
    await retire(work, { incarnationId: detail.oldIncarnationId, rootId: detail.oldRootId })
  else if (detail.oldRootId !== null) {
    const root = detail.oldRootId
    await work.undo('delete root', () => parts.pool.deleteRoot(root))
  }
  const paused = detail.oldPausedSnapshotId
  if (paused !== null) await work.undo('delete snapshot', () => parts.pool.deleteSnapshot(paused))
  await work.end('done', async (tx) => {
    if (paused !== null) await tx.deleteSnapshot(paused)
  })
}

async function undo(work: Work<RollbackDetail>, error: unknown): Promise<void> {
  const { detail, parts } = work
  await unboot(work, detail)
  await letRun(work, { id: detail.sandboxId, incarnationId: detail.oldIncarnationId })
  const loss = detail.from === 'running' ? await work.guests.lossOf(detail.oldIncarnationId) : null
  const back = ROLLBACK_FAIL[detail.from]
  if (back === undefined) throw new Error(`a rollback cannot have begun in '${detail.from}'`)
  await work.end(toSpawnpointError(error), async (tx) => {
    await fallBack(parts, tx, detail.sandboxId, back, loss)
  })
}
