import type { CreateSandboxRequest, Resolved } from '../api.ts'
import { invalidArgument } from '../errors.ts'
import type { Image, Resources, Snapshot, TeamId } from '../model.ts'
import type { Parts } from '../parts.ts'
import { imageOrigin, type Origin, type Standby, snapshotOrigin } from '../standby.ts'
import { fromImage, fromSnapshot, type Source } from './new-sandbox.ts'
import { findImage, findSnapshot, findSource } from './refs.ts'
import { newRemotes, placed } from './remotes.ts'
import { mountsFrom, mountsOf } from './volumes.ts'

/** Where a new sandbox begins. */
export interface StartPoint {
  /** `null` if it was asked for a snapshot */
  image: Image | null
  /** The one that was asked for, or the image's own with its start command; `null` if the image is booted */
  snapshot: Snapshot | null
  source: Source
  origin: Origin
}

/** The claim has to see that what it begins with is still there. `standby` spares a look where something was made ahead. */
export async function startPoint(
  parts: Parts,
  teamId: TeamId,
  request: CreateSandboxRequest,
  standby: Pick<Standby, 'snapshot'>,
): Promise<StartPoint> {
  const cold = request.cold ?? false
  const found = await asked(parts, teamId, request, standby)
  const mounts = request.volumes === undefined ? null : await mountsOf(parts, teamId, request.volumes)
  if ('snapshot' in found) {
    const { snapshot } = found
    const volumes = mountsFrom(snapshot, cold, mounts)
    const remotes =
      request.remotes === undefined
        ? placed(parts, snapshot.remotes, volumes)
        : newRemotes(parts, teamId, request.remotes, volumes)
    return {
      image: null,
      snapshot,
      source: { ...fromSnapshot(snapshot, cold), volumes, remotes },
      origin: snapshotOrigin(snapshot, cold),
    }
  }
  const { image } = found
  const volumes = mounts ?? []
  const remotes = newRemotes(parts, teamId, request.remotes ?? [], volumes)
  const source = { ...fromImage(parts, image), volumes, remotes }
  // The memory of its start command knows of no volumes.
  const started = cold || source.volumes.length > 0 ? null : await startedImage(parts, image, request.resources ?? {})
  if (started === null) return { image, snapshot: null, source, origin: imageOrigin(image) }
  const { resources, generation } = started
  return {
    image,
    snapshot: started,
    source: { ...source, resources, generation: generation + 1 },
    origin: snapshotOrigin(started, false),
  }
}

async function asked(
  { ledger }: Parts,
  teamId: TeamId,
  { image, snapshot, from }: CreateSandboxRequest,
  standby: Pick<Standby, 'snapshot'>,
): Promise<Resolved> {
  if ([image, snapshot, from].filter((ref) => ref !== undefined).length !== 1)
    throw invalidArgument('image', 'give exactly one of image, snapshot and from')
  if (image !== undefined) return { image: await findImage(ledger.read, teamId, image) }
  if (snapshot !== undefined) {
    const known = standby.snapshot(teamId, snapshot)
    return { snapshot: known ?? (await findSnapshot(ledger.read, teamId, snapshot)) }
  }
  return findSource(ledger.read, teamId, from as string)
}

/** The memory that sandboxes of the image begin with, unless they are to have other resources than it was captured in. */
async function startedImage(
  { ledger }: Parts,
  { bootSnapshotId }: Image,
  wanted: Partial<Resources>,
): Promise<Snapshot | null> {
  const snapshot = bootSnapshotId === null ? null : await ledger.read.snapshot(bootSnapshotId)
  if (snapshot?.state !== 'ready') return null
  const same = (['cpus', 'memoryBytes', 'diskBytes', 'maxProcesses'] as const).every(
    (key) => wanted[key] === undefined || wanted[key] === snapshot.resources[key],
  )
  return same ? snapshot : null
}
