import type { Resources, SpawnpointApi } from '@spawnpoint/core'

const MIB = 2 ** 20

/** What sandboxes get, in whole processors and MiB; what is not said comes from the server. */
export function resourcesJson(api: SpawnpointApi, given: Partial<Resources>) {
  const { cpus, memoryBytes, diskBytes } = { ...api.limits.resources, ...given }
  return {
    cpuCount: Math.max(1, Math.round(cpus)),
    memoryMB: Math.floor(memoryBytes / MIB),
    diskSizeMB: Math.floor(diskBytes / MIB),
  }
}
