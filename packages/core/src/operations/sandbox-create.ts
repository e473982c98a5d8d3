import { isCode, notFound, toSpawnpointError } from '../errors.ts'
import type { FailureReason, IncarnationId, RootId, Sandbox, SandboxId, SnapshotId } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { LedgerTx } from '../ports/index.ts'
import { expiryFrom, moveSandbox } from '../sandbox/records.ts'
import { imageOrigin, snapshotOrigin } from '../standby.ts'
import { type BootPlan, boot, unboot } from './boot.ts'
import { interrupted } from './cut-off.ts'
import { bringRemotes } from './remotes.ts'
import type { OperationDefinition, Work } from './runner.ts'

/** What the undo of `sandbox.create` needs. A child of a fork has the same. */
export interface CreateDetail {
  sandboxId: SandboxId
  incarnationId: IncarnationId
  rootId: RootId
  /** Where the root comes from; a snapshot's memory is restored unless `cold` */
  imageId: string | null
  snapshotId: SnapshotId | null
  cold: boolean
  /** Root and container were made before the sandbox was asked for; see `Standby` */
  ahead: boolean
}

/**
 * creating ─► (root cloned ─ incarnation up ─ identified ─ remotes brought) ─► running.
 * Cut off anywhere: undone. What exists is removed and the sandbox ends as `killed`; nobody had been told of it.
 */
export const sandboxCreate: OperationDefinition<CreateDetail, Sandbox> = {
  kind: 'sandbox.create',
  async run(work) {
    try {
      const { sandbox, guest, startedAt, report } = await bringUp(work, work.detail)
      const remotes = await bringRemotes(work, sandbox, guest)
      let running!: Sandbox
      await work.end('done', async (tx) => {
        running = await commitRunning(work.parts, tx, work.detail, { startedAt, remotes }, { identity: report })
      })
      return running
    } catch (error) {
      const known = toSpawnpointError(error)
      await undoCreate(work, work.detail)
      await work.end(known, async (tx) => commitUndone(work.parts, tx, work.detail, 'create_failed', known.message))
      throw error
    }
  },
  async recover(work) {
    await undoCreate(work, work.detail)
    await work.end(interrupted(), async (tx) =>
      commitUndone(
        work.parts,
        tx,
        work.detail,
        'interrupted',
        'The server stopped while the sandbox was being created',
      ),
    )
  },
}

export async function bringUp(work: Work<unknown>, detail: CreateDetail) {
  const { ledger, clock } = work.parts
  const [sandbox, snapshot] = await Promise.all([
    ledger.read.sandbox(detail.sandboxId),
    detail.snapshotId === null ? null : ledger.read.snapshot(detail.snapshotId),
  ])
  if (sandbox === null) throw new Error(`sandbox ${detail.sandboxId} has no record`)
  if (detail.snapshotId !== null && snapshot === null) {
    throw notFound('snapshot', detail.snapshotId)
  }
  const { source, memory } =
    snapshot === null ? imageOrigin({ id: sandbox.imageId }) : snapshotOrigin(snapshot, detail.cold)
  const plan: BootPlan = {
    rootId: detail.rootId,
    incarnationId: detail.incarnationId,
    source: detail.ahead ? null : source,
    memory,
  }
  try {
    const booted = await boot(work, sandbox, plan)
    return { sandbox, ...booted, startedAt: clock.now() }
  } catch (error) {
    // The memory is the image's own. If this machine cannot restore it, it can still boot the same files.
    if (detail.imageId === null || memory === null || !isCode(error, 'incompatible')) throw error
    work.parts.log.warn(
      { err: error, image: detail.imageId },
      'the memory of an image cannot be restored here; it boots',
    )
    const booted = await boot(work, sandbox, { ...plan, source: null, memory: null })
    return { sandbox, ...booted, startedAt: clock.now() }
  }
}

export async function commitRunning(
  parts: Parts,
  tx: LedgerTx,
  detail: CreateDetail,
  came: Pick<Sandbox, 'startedAt'> & Partial<Sandbox>,
  data: Record<string, unknown>,
): Promise<Sandbox> {
  const { incarnationId, rootId } = detail
  const arrived = (current: Sandbox) => ({ incarnationId, rootId, ...came, expiresAt: expiryFrom(parts, current) })
  return moveSandbox(parts, tx, detail.sandboxId, 'ready', arrived, data)
}

export async function undoCreate(work: Work<unknown>, detail: CreateDetail): Promise<void> {
  await unboot(work, detail)
}

export async function commitUndone(
  parts: Parts,
  tx: LedgerTx,
  detail: CreateDetail,
  reason: FailureReason,
  why: string,
): Promise<void> {
  // The schedule that the request brought along goes too.
  const { items } = await tx.schedules({ sandboxId: detail.sandboxId }, { limit: 1 })
  for (const { id } of items) await tx.deleteSchedule(id)
  await moveSandbox(parts, tx, detail.sandboxId, 'fail', {
    failure: { reason, detail: why },
    incarnationId: null,
    rootId: null,
    endedAt: parts.clock.now(),
  })
}
