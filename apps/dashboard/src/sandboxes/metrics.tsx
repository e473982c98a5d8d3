import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Sandbox, SandboxMetrics } from 'spawnpoint'
import { formatBytes } from '../format.ts'
import { Answer } from '../ui/bits.tsx'
import { Chart } from '../ui/chart.tsx'
import { useSandbox } from './detail.tsx'

/** As often as the server looks. */
const SAMPLED_MS = 5_000

export function MetricsTab() {
  const sandbox = useSandbox()
  const query = useQuery({
    queryKey: ['metrics', sandbox.id],
    queryFn: () => sandbox.metricsHistory(),
    refetchInterval: SAMPLED_MS,
  })
  return (
    <Answer query={query}>
      {(samples) =>
        samples.length === 0 ? (
          <div className="panel empty">
            Nothing was measured in the last hour; it is, every five seconds, while it runs.
          </div>
        ) : (
          <Charts sandbox={sandbox} samples={samples} />
        )
      }
    </Answer>
  )
}

function Charts({ sandbox, samples }: { sandbox: Sandbox; samples: SandboxMetrics[] }) {
  const times = useMemo(() => samples.map(({ at }) => at.getTime() / 1000), [samples])
  const { memoryBytes, diskBytes, cpus } = sandbox.info.resources
  const last = samples.at(-1)
  const series = [
    {
      title: 'Processors',
      now: `${last?.cpuUsedPercent.toFixed(1)} % of ${cpus}`,
      values: samples.map(({ cpuUsedPercent }) => cpuUsedPercent),
      max: 100,
      format: (value: number) => `${Math.round(value)} %`,
    },
    {
      title: 'Memory',
      now: `${formatBytes(last?.memoryUsedBytes ?? 0)} of ${formatBytes(memoryBytes)}`,
      values: samples.map(({ memoryUsedBytes }) => memoryUsedBytes),
      max: memoryBytes,
      format: formatBytes,
    },
    {
      title: 'Disk',
      now: `${formatBytes(last?.diskUsedBytes ?? 0)} of ${formatBytes(diskBytes)}`,
      values: samples.map(({ diskUsedBytes }) => diskUsedBytes),
      max: null,
      format: formatBytes,
    },
  ]
  return series.map(({ title, now, values, max, format }) => (
    <section className="panel" key={title}>
      <h2>
        {title} <span className="sub">{now}</span>
      </h2>
      <Chart label={`${title} in the last hour; now ${now}`} times={times} values={values} max={max} format={format} />
    </section>
  ))
}
