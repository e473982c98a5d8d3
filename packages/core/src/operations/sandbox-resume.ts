import { toSpawnpointError } from '../errors.ts'
import type { IncarnationId, RootId, Sandbox, SandboxId, SnapshotId } from '../model.ts'
import { arrive, moveSandbox } from '../sandbox/records.ts'
import { boot, unboot } from './boot.ts'
import { interrupted, type OperationDefinition, type Work } from './runner.ts'

export interface ResumeDetail {
  sandboxId: SandboxId
  /** The incarnation and root to be made */
  incarnationId: IncarnationId
  rootId: RootId
  /** The internal snapshot it resumes from, removed at the end */
  snapshotId: SnapshotId
  /** Boot from its files, leave its memory */
  cold: boolean
}

/**
 * restoring ─► (root cloned, memory restored or, if cold, booted) ─► running, and then the pause's snapshot goes.
 * Cut off while restoring: undone, still paused. Cut off while cleaning: finished.
 */
export const sandboxResume: OperationDefinition<ResumeDetail, Sandbox> = {
  kind: 'sandbox.resume',
  async run(work) {
    const { detail, parts } = work
    try {
      const sandbox = await parts.ledger.read.sandbox(detail.sandboxId)
      const paused = await parts.ledger.read.snapshot(detail.snapshotId)
      if (sandbox === null || paused === null)
        throw new Error(`sandbox ${detail.sandboxId} has lost the record it resumes from`)
      const memory = detail.cold ? null : paused
      const generation = memory === null ? sandbox.generation : memory.generation + 1
      const { report } = await boot(
        work,
        { ...sandbox, generation },
        {
          rootId: detail.rootId,
          incarnationId: detail.incarnationId,
          source: { from: 'snapshot', id: paused.id },
          memory,
        },
      )
      await work.enter('cleaning', async (tx) => {
        const { incarnationId, rootId } = detail
        const patch = { incarnationId, rootId, pausedSnapshotId: null, generation }
        await arrive(parts, tx, detail.sandboxId, patch, { identity: report })
      })
    } catch (error) {
      await undo(work, error)
      throw error
    }
    await clean(work)
    const running = await parts.ledger.read.sandbox(detail.sandboxId)
    if (running === null) throw new Error(`sandbox ${detail.sandboxId} has no record`)
    return running
  },
  async recover(work) {
    if (work.operation.phase === 'cleaning') await clean(work)
    else await undo(work, interrupted())
  },
}

async function clean(work: Work<ResumeDetail>): Promise<void> {
  const { detail, parts } = work
  await work.undo('delete snapshot', () => parts.pool.deleteSnapshot(detail.snapshotId))
  await work.end('done', async (tx) => {
    await tx.deleteSnapshot(detail.snapshotId)
  })
}

async function undo(work: Work<ResumeDetail>, error: unknown): Promise<void> {
  await unboot(work, work.detail)
  await work.end(toSpawnpointError(error), async (tx) => {
    await moveSandbox(work.parts, tx, work.detail.sandboxId, 'fail')
  })
}
