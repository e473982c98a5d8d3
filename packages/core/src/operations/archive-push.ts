import type { PushedTo } from '../api.ts'
import { SpawnpointError, toSpawnpointError } from '../errors.ts'
import { formatImageReference, type ImageReference } from '../image-reference.ts'
import type { ImageDefaults, Labels, Operation, RootId } from '../model.ts'
import type { BuildProgress, PackedRoot, PackedSnapshot, RegistryAccess, RootSource } from '../ports/index.ts'
import type { Signer } from '../services/signer.ts'
import { describeSnapshot } from '../snapshot/portable.ts'
import { interrupted, type OperationDefinition, type Work } from './runner.ts'

export interface PushDetail {
  /** An ordinary image, or the snapshot with all it has */
  as: 'image' | 'snapshot'
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
export function archivePush(
  access: RegistryAccess | null,
  sign: Signer['sign'] | null,
): OperationDefinition<PushDetail, PushedTo> {
  return {
    kind: 'archive.push',
    run: (work) => push(work, access, sign),
    recover: (work) => undo(work, interrupted()),
  }
}

async function push(
  work: Work<PushDetail>,
  access: RegistryAccess | null,
  sign: Signer['sign'] | null,
): Promise<PushedTo> {
  const { detail, parts } = work
  const { pool, archive, config } = parts
  try {
    if (archive === undefined || sign === null) {
      throw new SpawnpointError('unavailable', 'This server cannot push images', { reason: 'no archive' })
    }
    const { diskBytes } = config.maxResources
    await work.step('clone', () => pool.createRoot(detail.rootId, detail.source, { diskBytes }))
    const target = { reference: detail.target, access }
    const report = (progress: BuildProgress) => work.report(progress)
    const pushed = await work.step('push', async () =>
      detail.as === 'image'
        ? archive.pushImage(await packedRoot(work), target, report, parts.closing)
        : archive.pushSnapshot(await packedSnapshot(work), target, sign, report, parts.closing),
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

async function packedRoot({ parts: { pool }, detail }: Work<PushDetail>): Promise<PackedRoot> {
  return {
    rootPath: pool.rootPath(detail.rootId),
    sizeBytes: (await pool.rootUsage(detail.rootId)).usedBytes,
    defaults: detail.defaults,
    labels: detail.labels,
    createdAt: new Date(detail.createdAt),
  }
}

async function packedSnapshot({ parts, detail }: Work<PushDetail>): Promise<PackedSnapshot> {
  const { pool, runtime, ledger } = parts
  const snapshot = detail.source.from === 'snapshot' ? await ledger.read.snapshot(detail.source.id) : null
  if (snapshot === null) throw new Error(`no snapshot ${detail.source.id}`)
  const digest = snapshot.requirements?.agentDigest ?? null
  return {
    description: describeSnapshot(snapshot),
    rootPath: pool.rootPath(detail.rootId),
    memoryDir: snapshot.kind === 'memory' ? pool.memoryDir(snapshot.id) : null,
    agentFile: digest === null ? null : await runtime.agents.file(digest),
    sizeBytes: snapshot.sizeBytes,
  }
}

async function undo(work: Work<PushDetail>, error: SpawnpointError): Promise<void> {
  await work.undo('delete root', () => work.parts.pool.deleteRoot(work.detail.rootId))
  await work.end(error)
}
