import { SpawnpointError, toSpawnpointError } from '../errors.ts'
import type { Image, ImageDefaults, ImageId, Labels } from '../model.ts'
import type { BuiltImage, LedgerTx, RegistryAccess } from '../ports/index.ts'
import { LIMITS } from '../services/checks.ts'
import { setTags } from '../services/names.ts'
import { interrupted, type OperationDefinition, type Work } from './runner.ts'

export interface ImageDetail {
  imageId: ImageId
  /** Tags of its name that point to it once it is ready */
  tags: string[]
  /** What the request said about defaults: it wins over what the source says */
  asked?: Partial<ImageDefaults>
}

/** Space of the pool that a build leaves to others, as a share of what is free. */
const LEFT_FREE = 0.1

/** building: the pool's new directory is filled and published ─► ready. Cut off: undone, the record says failed. */
export const imageBuild: OperationDefinition<ImageDetail, Image> = {
  kind: 'image.build',
  run: (work) => build(work, null),
  recover: (work) => undo(work, interrupted()),
}

/** The same with credentials for the registry: they are in no record, so only whoever got them can begin it. */
export function imageBuildWith(access: RegistryAccess | null): OperationDefinition<ImageDetail, Image> {
  return { ...imageBuild, run: (work) => build(work, access) }
}

async function build(work: Work<ImageDetail>, access: RegistryAccess | null): Promise<Image> {
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
    let built: BuiltImage = { defaults: {} }
    const { freeBytes } = await parts.pool.space()
    const maxBytes = Math.floor(Math.min(parts.config.maxImageBytes, freeBytes * (1 - LEFT_FREE)))
    const { sizeBytes } = await work.step('build', () =>
      parts.pool.createImage(
        detail.imageId,
        async (dir) => {
          built = await builder.build(source, dir, (progress) => work.report(progress), parts.closing, access)
        },
        { maxBytes },
      ),
    )
    let ready!: Image
    await work.end('done', async (tx) => {
      ready = await changeImage(work, tx, (current) => ({
        state: 'ready',
        sizeBytes,
        readyAt: parts.clock.now(),
        source: built.source ?? current.source,
        labels: withRoom(current.labels, built.labels ?? {}),
        defaults: {
          ...current.defaults,
          ...built.defaults,
          ...detail.asked,
          env: { ...built.defaults.env, ...current.defaults.env },
        },
      }))
      await setTags(parts, tx, ready, detail.tags ?? [], { imageId: ready.id })
    })
    return ready
  } catch (error) {
    await undo(work, error)
    throw error
  }
}

/** The request's labels, and of the image's own as many as may be. */
function withRoom(asked: Labels, own: Labels): Labels {
  const more = Object.entries(own).filter(([key]) => !Object.hasOwn(asked, key))
  return Object.fromEntries([...Object.entries(asked), ...more].slice(0, LIMITS.labels))
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
