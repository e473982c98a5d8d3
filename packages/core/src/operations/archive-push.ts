import type { PushedTo } from '../api.ts'
import { SpawnpointError, toSpawnpointError } from '../errors.ts'
import { formatImageReference, type ImageReference } from '../image-reference.ts'
import type { ImageDefaults, Labels, Operation, RootId } from '../model.ts'
import type { RegistryAccess, RootSource } from '../ports/index.ts'
import { interrupted, type OperationDefinition, type Work } from './runner.ts'

export interface PushDetail {
  source: RootSource
  defaults: ImageDefaults
  labels: Labels
  /** ISO 8601, of the image or snapshot */
  createdAt: string
  /** A clone that nobody writes to, and that stays if the source is deleted meanwhile */
  rootId: RootId
  target: ImageReference
  /** Set at the end */
  pushed?: PushedTo
}

/** What a push that has ended put where; `null` for any other operation. */
export function pushedBy({ kind, detail }: Operation): PushedTo | null {
  return kind === 'archive.push' ? ((detail as unknown as PushDetail).pushed ?? null) : null
}

/**
 * pushing: root cloned ─ packed ─ put there ─ clone removed. Cut off anywhere: the clone is removed; what a registry has by
 * then is loose pieces that it collects itself.
 */
export function archivePush(access: RegistryAccess | null): OperationDefinition<PushDetail, PushedTo> {
  return {
    kind: 'archive.push',
    run: (work) => push(work, access),
    recover: (work) => undo(work, interrupted()),
  }
}

async function push(work: Work<PushDetail>, access: RegistryAccess | null): Promise<PushedTo> {
  const { detail, parts } = work
  const { pool, archive, config } = parts
  try {
    if (archive === undefined) {
      throw new SpawnpointError('unavailable', 'This server cannot push images', { reason: 'no archive' })
    }
    const { diskBytes } = config.maxResources
    await work.step('clone', () => pool.createRoot(detail.rootId, detail.source, { diskBytes }))
    const { usedBytes } = await pool.rootUsage(detail.rootId)
    const root = {
      rootPath: pool.rootPath(detail.rootId),
      sizeBytes: usedBytes,
      defaults: detail.defaults,
      labels: detail.labels,
      createdAt: new Date(detail.createdAt),
    }
    const target = { reference: detail.target, access }
    const pushed = await work.step('push', () =>
      archive.pushImage(root, target, (progress) => work.report(progress), parts.closing),
    )
    await work.undo('delete root', () => pool.deleteRoot(detail.rootId))
    const outcome = { ...pushed, reference: formatImageReference(detail.target) }
    detail.pushed = outcome
    await work.end('done')
    return outcome
  } catch (error) {
    await undo(work, toSpawnpointError(error))
    throw error
  }
}

async function undo(work: Work<PushDetail>, error: SpawnpointError): Promise<void> {
  await work.undo('delete root', () => work.parts.pool.deleteRoot(work.detail.rootId))
  await work.end(error)
}
