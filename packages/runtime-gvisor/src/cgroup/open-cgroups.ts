import { unavailable } from '../failure.ts'
import type { Cgroups } from './cgroups.ts'
import { CgroupsV1 } from './cgroups-v1.ts'
import { CgroupsV2, isUnified } from './cgroups-v2.ts'

/** `server` names this server's own group among those of other servers. Rejects `unavailable` if groups cannot be made. */
export function openCgroups(server: string): Cgroups {
  const relative = `spawnpoint/${server}`
  try {
    return isUnified() ? new CgroupsV2(relative) : new CgroupsV1(relative)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw unavailable(`Control groups cannot be made under /sys/fs/cgroup (${detail}); run as root on the host`, error)
  }
}
