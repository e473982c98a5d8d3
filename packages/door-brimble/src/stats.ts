import type { SandboxMetrics } from '@spawnpoint/core'

/** About as many points as the vendor's own. */
const POINTS = 250
const MIB = 2 ** 20

/** Shares in percent; `size` is what the sandbox may use, in MB and MHz as in its specs. */
export function statsJson(samples: readonly SandboxMetrics[], specs: { cpu: number; memory: number }) {
  const every = Math.max(1, Math.ceil(samples.length / POINTS))
  const results = samples
    .filter((_sample, index) => index % every === 0)
    .map((sample) => ({
      date: sample.at.toISOString(),
      memory: memoryPercent(sample),
      cpu: sample.cpuUsedPercent,
      // Not counted on this server.
      network: { bytesPerSecond: null },
    }))
  return {
    average: {
      memory: { totalInPercentage: mean(results.map(({ memory }) => memory)), size: specs.memory },
      cpu: { totalInPercentage: mean(results.map(({ cpu }) => cpu)), size: specs.cpu },
      network: { value: null, total: null, totalInPercentage: null, bytesPerSecond: null },
    },
    replicaCount: 1,
    results,
    responseTime: null,
  }
}

export function specsOf({ cpus, memoryBytes }: { cpus: number; memoryBytes: number }) {
  return { cpu: Math.round(cpus * 1000), memory: Math.round(memoryBytes / MIB) }
}

function memoryPercent({ memoryUsedBytes, memoryTotalBytes }: SandboxMetrics): number {
  return memoryTotalBytes === 0 ? 0 : (memoryUsedBytes / memoryTotalBytes) * 100
}

function mean(all: readonly number[]): number {
  return all.length === 0 ? 0 : all.reduce((sum, one) => sum + one, 0) / all.length
}
