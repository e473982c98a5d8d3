import type { SandboxMetrics } from '@spawnpoint/core'

const MIB = 2 ** 20

/** `GET /metrics`, in the agent's names. */
export function metricsJson(sample: SandboxMetrics) {
  return {
    ts: Math.floor(sample.at.getTime() / 1000),
    cpu_count: Math.max(1, Math.ceil(sample.cpus)),
    cpu_used_pct: Math.round(sample.cpuUsedPercent * 100) / 100,
    mem_total: sample.memoryTotalBytes,
    mem_used: sample.memoryUsedBytes,
    mem_cache: sample.memoryCacheBytes,
    mem_total_mib: Math.floor(sample.memoryTotalBytes / MIB),
    mem_used_mib: Math.floor(sample.memoryUsedBytes / MIB),
    disk_used: sample.diskUsedBytes,
    disk_total: sample.diskTotalBytes,
  }
}
