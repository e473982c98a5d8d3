import { useEffect, useRef } from 'react'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

interface ChartProps {
  /** What it shows, for who cannot see it */
  label: string
  /** Seconds since 1970, rising */
  times: number[]
  values: number[]
  /** Upper end of the scale; `null`: as the values need */
  max: number | null
  format: (value: number) => string
  height?: number
  /** Steps in place of a line */
  bars?: boolean
}

export function Chart({ label, times, values, max, format, height = 150, bars = false }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot | null>(null)
  const latest = useRef({ times, values, format })
  latest.current = { times, values, format }

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const style = getComputedStyle(document.documentElement)
    const colour = (name: string) => style.getPropertyValue(name).trim()
    const axis = { stroke: colour('--dim'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } }
    const drawn = new UPlot(
      {
        width: element.clientWidth,
        height,
        legend: { show: false },
        cursor: { y: false },
        scales: {
          // Room for half a bar at each end
          x: bars
            ? {
                range: (_plot, low, high) => [
                  low - barRoom(latest.current.times),
                  high + barRoom(latest.current.times),
                ],
              }
            : {},
          y: { range: (_plot, _min, high) => [0, max ?? Math.max(1, high * 1.2)] },
        },
        axes: [axis, { ...axis, size: 84, values: (_plot, ticks) => ticks.map((tick) => latest.current.format(tick)) }],
        series: [
          {},
          {
            stroke: colour('--accent'),
            fill: `color-mix(in srgb, ${colour('--accent')} 14%, transparent)`,
            width: 1.5,
            points: { show: false },
            ...(bars && UPlot.paths.bars !== undefined && { paths: UPlot.paths.bars({ size: [0.7, 60] }) }),
          },
        ],
      },
      [latest.current.times, latest.current.values],
      element,
    )
    plot.current = drawn
    const observer = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      drawn.destroy()
      plot.current = null
    }
  }, [height, max, bars])

  useEffect(() => plot.current?.setData([times, values]), [times, values])
  return <div ref={place} role="img" aria-label={label} className="chart" />
}

function barRoom([first = 0, second = first]: number[]): number {
  return (second - first) / 2
}
