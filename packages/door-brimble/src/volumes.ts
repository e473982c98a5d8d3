import { invalidArgument, type Principal, type Sandbox, type SpawnpointApi, type Volume } from '@spawnpoint/core'

export const GIB = 2 ** 30

/** The living sandbox that mounts it; `null` if none does. */
export async function attachedTo(api: SpawnpointApi, by: Principal, id: string): Promise<Sandbox | null> {
  const { items } = await api.sandboxes.list(by, { volume: id }, { limit: 1 })
  return items[0] ?? null
}

/** Here a volume is for one sandbox at a time. Rejects if another has it. */
export async function freeVolume(api: SpawnpointApi, by: Principal, ref: string): Promise<Volume> {
  const volume = await api.volumes.get(by, ref)
  if ((await attachedTo(api, by, volume.id)) !== null)
    throw invalidArgument('volumeId', 'the volume is attached to another sandbox')
  return volume
}
