import type { ImageId, SnapshotId } from '../model.ts'
import { imageEvent } from './image-build.ts'
import type { OperationDefinition, Work } from './runner.ts'

export interface ImageDeleteDetail {
  imageId: ImageId
  bootSnapshotId: SnapshotId | null
}

/** deleting ─► data gone ─► record gone. Cut off anywhere: gone on with. */
export const imageDelete: OperationDefinition<ImageDeleteDetail, void> = {
  kind: 'image.delete',
  run: remove,
  recover: remove,
}

async function remove(work: Work<ImageDeleteDetail>): Promise<void> {
  const { imageId, bootSnapshotId } = work.detail
  if (bootSnapshotId) await work.step('delete boot', () => work.parts.pool.deleteSnapshot(bootSnapshotId))
  await work.step('delete', () => work.parts.pool.deleteImage(imageId))
  await work.end('done', async (tx) => {
    if (bootSnapshotId) await tx.deleteSnapshot(bootSnapshotId)
    const record = await tx.lockImage(imageId)
    if (record === null) return
    await tx.deleteImage(record.id)
    await tx.addEvent(imageEvent(work, record, 'image.deleted'))
  })
}
