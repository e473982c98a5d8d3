import type { SandboxMetrics } from '@spawnpoint/core'

/** About as many points as the vendor's own. */
const POINTS = 250

export function statsJson(samples: readonly SandboxMetrics[]) {
  const every = Math.max(1, Math.ceil(samples.length / POINTS))
  const shown = samples.filter((_sample, index) => index % every === 0)
  const results = shown.map((sample) => ({
    date: sample.at.toISOString(),
    memory: { totalInPercentage: memoryPercent(sample), size: sample.memoryUsedBytes },
    cpu: { totalInPercentage: sample.cpuUsedPercent, size: (sample.cpuUsedPercent / 100) * sample.cpus },
    // Not counted on this server.
    network: { bytesPerSecond: 0 },
  }))
  return {
    average: {
      memory: {
        totalInPercentage: mean(results, (one) => one.memory.totalInPercentage),
        size: mean(results, (one) => one.memory.size),
      },
      cpu: {
        totalInPercentage: mean(results, (one) => one.cpu.totalInPercentage),
        size: mean(results, (one) => one.cpu.size),
      },
      network: { bytesPerSecond: 0 },
    },
    replicaCount: 1,
    results,
    responseTime: null,
  }
}

function memoryPercent({ memoryUsedBytes, memoryTotalBytes }: SandboxMetrics): number {
  return memoryTotalBytes === 0 ? 0 : (memoryUsedBytes / memoryTotalBytes) * 100
}

function mean<T>(all: readonly T[], value: (one: T) => number): number {
  return all.length === 0 ? 0 : all.reduce((sum, one) => sum + value(one), 0) / all.length
}
