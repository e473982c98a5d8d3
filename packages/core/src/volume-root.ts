import type { RootId, VolumeId } from './ids.ts'

/** A volume is a root of the pool that belongs to no sandbox, under its own id. */
export function volumeRoot(id: VolumeId): RootId {
  return id as string as RootId
}
