import { notFound, toSpawnpointError } from '../errors.ts'
import { hasBase } from '../exchange/base.ts'
import type { IncarnationId, Remote, RootId, Sandbox, SandboxId, SandboxState, SnapshotId } from '../model.ts'
import type { Guest } from '../ports/index.ts'
import { arrive, fallBack, recordOf } from '../sandbox/records.ts'
import { imageOrigin, snapshotOrigin } from '../standby.ts'
import { boot, retire, unboot } from './boot.ts'
import { letRun } from './capture.ts'
import { bringRemotes } from './remotes.ts'
import { reversible } from './reversible.ts'
import type { Work } from './runner.ts'

/** For the agent to say what is known of a writable remote, in milliseconds */
const LOOK_MS = 60_000

/** The states that a rollback can begin in, and the arrow back to each. */
const ROLLBACK_FAIL: Partial<Record<SandboxState, string>> = {
  running: 'failRunning',
  paused: 'failPaused',
  stopped: 'failStopped',
  failed: 'failFailed',
}

export interface RollbackDetail {
  sandboxId: SandboxId
  /** `null` for the sandbox's image, booted anew */
  snapshotId: SnapshotId | null
  /** Boot from its files, as the sandbox was at first */
  cold: boolean
  /** To what it was started from, with its remotes; absent in records of older servers */
  toOrigin?: boolean
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
 * restoring: the old incarnation stands still and the new one is brought up beside it (back to the origin: with its remotes)
 * ─► switched: the sandbox is the new one, the old one is removed ─► done. Cut off while restoring: the new one is removed and
 * the old one runs on. Cut off after the switch: finished. The two never run user code at the same time.
 */
export const sandboxRollback = reversible<RollbackDetail, Sandbox>({
  kind: 'sandbox.rollback',
  async begin(work) {
    const { detail, parts } = work
    const { incarnationId, rootId, snapshotId, oldIncarnationId: old } = detail
    const sandbox = await recordOf(parts, detail.sandboxId)
    const snapshot = snapshotId === null ? null : await parts.ledger.read.snapshot(snapshotId)
    if (snapshotId !== null && snapshot === null) throw notFound('snapshot', snapshotId)
    const origin = snapshot === null ? imageOrigin({ id: sandbox.imageId }) : snapshotOrigin(snapshot, work.detail.cold)
    if (old !== null) {
      await work.step('pause', () => parts.runtime.pause(old))
      // Its usage ends with the switch, which comes before it is killed: note what it has used until now.
      await work.attempt('look at its usage', () => parts.runtime.usage(old))
    }
    const generation = Math.max(sandbox.generation, snapshot?.generation ?? 0) + 1
    const { guest, report } = await boot(work, { ...sandbox, generation }, { rootId, incarnationId, ...origin })
    const remotes =
      detail.toOrigin === true
        ? await bringRemotes(work, sandbox, guest)
        : // The files inside are those of the snapshot: the next refresh fetches everything.
          (await bringRemotes(work, sandbox, guest, (one) => isKnown(work, sandbox, guest, one))).map((one) =>
            one.refreshMs === null || one.writable === true ? one : { ...one, version: null },
          )
    await work.enter('switched', async (tx) => {
      const patch = { incarnationId, rootId, pausedSnapshotId: null, sourceSnapshotId: snapshotId, generation, remotes }
      await arrive(parts, tx, detail.sandboxId, patch, { snapshotId, identity: report })
    })
  },
  turn: 'switched',
  async finish(work) {
    const { oldIncarnationId, oldRootId: root, oldPausedSnapshotId: paused, sandboxId } = work.detail
    const { pool } = work.parts
    if (oldIncarnationId !== null) await retire(work, { incarnationId: oldIncarnationId, rootId: root })
    else if (root !== null) await work.attempt('delete root', () => pool.deleteRoot(root))
    if (paused !== null) await work.attempt('delete snapshot', () => pool.deleteSnapshot(paused))
    await work.end('done', async (tx) => {
      if (paused !== null) await tx.deleteSnapshot(paused)
    })
    return recordOf(work.parts, sandboxId)
  },
  undo,
})

/**
 * Whether it stays as it was then. What is writable has beside it what it is to be compared with; if that is another sandbox's, which the
 * snapshot was taken of, its changes are not this one's to write.
 */
async function isKnown(work: Work<unknown>, sandbox: Sandbox, guest: Guest, remote: Remote): Promise<boolean> {
  if (remote.writable !== true) return true
  const read = () => hasBase(guest.files, sandbox, remote)
  return work.fromGuest(`look at ${remote.name}`, read, { timeoutMs: LOOK_MS })
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
