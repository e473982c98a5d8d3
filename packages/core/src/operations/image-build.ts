import { SpawnpointError, toSpawnpointError } from '../errors.ts'
import type { Image, ImageId } from '../model.ts'
import type { LedgerTx } from '../ports/index.ts'
import { setTags } from '../services/names.ts'
import { interrupted, type OperationDefinition, type Work } from './runner.ts'

export interface ImageDetail {
  imageId: ImageId
  /** Tags of its name that point to it once it is ready */
  tags: string[]
}

/** building: the pool's new directory is filled and published ─► ready. Cut off: undone, the record says failed. */
export const imageBuild: OperationDefinition<ImageDetail, Image> = {
  kind: 'image.build',
  async run(work) {
    const { parts, detail } = work
    try {
      const image = await parts.ledger.read.image(detail.imageId)
      if (image === null) throw new Error(`image ${detail.imageId} has no record`)
      const { source } = image
      if (source.type === 'recipe') throw new Error('not yet')
      const builder = parts.imageBuilders.find((candidate) => candidate.types.includes(source.type))
      if (builder === undefined) {
        throw new SpawnpointError('unavailable', `This server cannot build images from '${source.type}'`, {
          reason: 'no builder',
        })
      }
      let found: Partial<Image['defaults']> = {}
      const { sizeBytes } = await work.step('build', () =>
        parts.pool.createImage(detail.imageId, async (dir) => {
          found = await builder.build(source, dir, (progress) => work.report(progress), parts.closing)
        }),
      )
      let ready!: Image
      await work.end('done', async (tx) => {
        ready = await changeImage(work, tx, (current) => ({
          state: 'ready',
          sizeBytes,
          readyAt: parts.clock.now(),
          defaults: { ...current.defaults, ...found, env: { ...found.env, ...current.defaults.env } },
        }))
        await setTags(parts, tx, ready, detail.tags ?? [], { imageId: ready.id })
      })
      return ready
    } catch (error) {
      await undo(work, error)
      throw error
    }
  },
  recover: (work) => undo(work, interrupted()),
}

/** deleting ─► data gone ─► record gone. Cut off anywhere: gone on with. */
export const imageDelete: OperationDefinition<ImageDetail, void> = {
  kind: 'image.delete',
  run: remove,
  recover: remove,
}

async function remove(work: Work<ImageDetail>): Promise<void> {
  await work.step('delete', () => work.parts.pool.deleteImage(work.detail.imageId))
  await work.end('done', async (tx) => {
    const record = await tx.lockImage(work.detail.imageId)
    if (record === null) return
    await tx.deleteImage(record.id)
    await tx.addEvent(imageEvent(work, record, 'image.deleted'))
  })
}

async function undo(work: Work<ImageDetail>, error: unknown): Promise<void> {
  const known = toSpawnpointError(error)
  await work.undo('delete image', () => work.parts.pool.deleteImage(work.detail.imageId))
  await work.end(known, async (tx) => {
    await changeImage(work, tx, () => ({ state: 'failed', failure: known.message }))
  })
}

async function changeImage(
  work: Work<ImageDetail>,
  tx: LedgerTx,
  patch: (current: Image) => Partial<Image>,
): Promise<Image> {
  const current = await tx.lockImage(work.detail.imageId)
  if (current === null) throw new Error(`image ${work.detail.imageId} has no record`)
  const next: Image = { ...current, ...patch(current) }
  await tx.putImage(next)
  await tx.addEvent(imageEvent(work, next, `image.${next.state}`))
  return next
}

function imageEvent(work: Work<ImageDetail>, image: Image, type: string) {
  return {
    teamId: image.teamId,
    type,
    sandboxId: null,
    snapshotId: null,
    imageId: image.id,
    data: { name: image.name, failure: image.failure },
    at: work.parts.clock.now(),
  }
}
