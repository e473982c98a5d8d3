import type { SnapshotId } from '../model.ts'
import { snapshotEvent } from '../sandbox/records.ts'
import type { OperationDefinition, Work } from './runner.ts'

export interface SnapshotDeleteDetail {
  snapshotId: SnapshotId
}

/** deleting ─► data gone ─► record gone. Cut off anywhere: gone on with. */
export const snapshotDelete: OperationDefinition<SnapshotDeleteDetail, void> = {
  kind: 'snapshot.delete',
  run: remove,
  recover: remove,
}

async function remove(work: Work<SnapshotDeleteDetail>): Promise<void> {
  const { parts, detail } = work
  await work.step('delete', () => parts.pool.deleteSnapshot(detail.snapshotId))
  await work.end('done', async (tx) => {
    const record = await tx.lockSnapshot(detail.snapshotId)
    if (record === null) return
    await tx.deleteSnapshot(detail.snapshotId)
    if (!record.internal) await tx.addEvent(snapshotEvent(parts, record, 'snapshot.deleted'))
  })
}
