import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { Team, TeamStorage, UsageRow } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { saveAs } from '../download.ts'
import { counted, formatBytes, formatDuration } from '../format.ts'
import { useSandboxNames } from '../names-of.ts'
import { queries } from '../queries.ts'
import { Age, Answer, Meter, None } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { Chart } from '../ui/chart.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { doing } from '../ui/toasts.tsx'
import { type Measure, perDay, total } from './days.ts'

const DAY_MS = 86_400_000
const RANGES = [7, 30, 90]

const MEASURES: { measure: Measure; title: string; format: (value: number) => string }[] = [
  { measure: 'sandboxSeconds', title: 'Sandboxes ran', format: (seconds) => formatDuration(seconds * 1000) },
  { measure: 'cpuUsedSeconds', title: 'Processor time', format: (seconds) => formatDuration(seconds * 1000) },
  { measure: 'memoryGibSeconds', title: 'Memory', format: (value) => `${hours(value / 3600)} GiB h` },
  { measure: 'snapshotGibHours', title: 'Snapshots', format: (value) => `${hours(value)} GiB h` },
]

export function UsagePage() {
  const client = useClient()
  const [days, setDays] = useState(30)
  // Whole days: the same question until tomorrow.
  const to = useMemo(() => new Date(Math.ceil(Date.now() / DAY_MS) * DAY_MS), [])
  const from = useMemo(() => new Date(to.getTime() - days * DAY_MS), [to, days])
  const team = useQuery(queries.team(client))
  const storage = useQuery({ queryKey: ['storage'], queryFn: () => client.storage() })
  const byDay = useQuery({
    queryKey: ['usage', 'day', days],
    queryFn: () => client.usage.rows({ from, to, by: ['day'] }),
  })
  const bySandbox = useQuery({
    queryKey: ['usage', 'sandbox', days],
    queryFn: () => client.usage.rows({ from, to, by: ['sandbox'] }),
  })
  const sandboxName = useSandboxNames()
  const columns = useMemo(() => columnsFor(sandboxName), [sandboxName])
  const csv = () =>
    doing('The export', 'The export is here', async () =>
      saveAs('usage.csv', [await client.usage.csv({ from, to, by: ['day', 'sandbox'] })], 'text/csv'),
    )
  return (
    <>
      <title>Usage · Spawnpoint</title>
      <div className="page-head">
        <h1>Usage</h1>
        <div className="actions">
          <select
            className="select"
            aria-label="Range"
            value={days}
            onChange={(event) => setDays(Number(event.target.value))}
          >
            {RANGES.map((range) => (
              <option key={range} value={range}>
                Last {range} days
              </option>
            ))}
          </select>
          <Button onClick={() => void csv()}>CSV</Button>
        </div>
      </div>
      <Answer query={team}>{(data) => <Limits team={data} />}</Answer>
      <Answer query={storage}>{(data) => data !== null && <Storage storage={data} />}</Answer>
      <Answer query={byDay}>{(rows) => <Charts rows={rows} from={from} to={to} />}</Answer>
      <h2 className="below">By sandbox</h2>
      <Answer query={bySandbox}>
        {(rows) => (
          <DataTable
            label="Usage by sandbox"
            rows={rows}
            columns={columns}
            rowId={({ sandboxId }) => sandboxId ?? ''}
            empty="Nothing was used in this time."
          />
        )}
      </Answer>
    </>
  )
}

function Limits({ team: { limits, used } }: { team: Team }) {
  const plain = String
  const rows: [title: string, used: number, limit: number | null, format: (value: number) => string][] = [
    ['Sandboxes that run', used.sandboxes, limits.sandboxes, plain],
    ['Their CPUs', used.cpus, limits.cpus, plain],
    ['Their memory', used.memoryBytes, limits.memoryBytes, formatBytes],
    ['Snapshots', used.snapshots, limits.snapshots, plain],
    ['Storage', used.storageBytes, limits.storageBytes, formatBytes],
  ]
  return (
    <section className="panel limits" aria-label="Now, and the team's limits">
      {rows.map(([title, value, limit, format]) => (
        <div key={title}>
          <div className="sub">{title}</div>
          <strong>{format(value)}</strong>{' '}
          <span className="sub">{limit === null ? 'no limit' : `of ${format(limit)}`}</span>
          {limit !== null && <Meter value={value} of={limit} />}
        </div>
      ))}
    </section>
  )
}

function Storage({ storage: { uniqueBytes, sharedBytes, snapshots, images, roots, at } }: { storage: TeamStorage }) {
  return (
    <section className="panel" aria-label="In the store">
      <h2>
        In the store{' '}
        <span className="sub">
          measured <Age at={at} />
        </span>
      </h2>
      {formatBytes(uniqueBytes)} of its own and {formatBytes(sharedBytes)} shared with others:{' '}
      {counted(snapshots, 'snapshot', 'snapshots')}, {counted(images, 'image', 'images')},{' '}
      {counted(roots, 'sandbox or volume', 'sandboxes and volumes')}
    </section>
  )
}

function Charts({ rows, from, to }: { rows: UsageRow[]; from: Date; to: Date }) {
  return (
    <div className="grid-2 below">
      {MEASURES.map(({ measure, title, format }) => (
        <section className="panel" key={measure}>
          <h2>
            {title} <span className="sub">{format(total(rows, measure))} in all</span>
          </h2>
          <DayChart title={title} rows={rows} measure={measure} from={from} to={to} format={format} />
        </section>
      ))}
    </div>
  )
}

interface DayChartProps {
  title: string
  rows: UsageRow[]
  measure: Measure
  from: Date
  to: Date
  format: (value: number) => string
}

function DayChart({ title, rows, measure, from, to, format }: DayChartProps) {
  const { times, values } = useMemo(() => perDay(rows, measure, from, to), [rows, measure, from, to])
  return <Chart label={`${title} by day`} times={times} values={values} max={null} format={format} bars />
}

const columnsFor = (sandboxName: (id: string) => string): Column<UsageRow>[] => [
  {
    id: 'sandbox',
    header: 'Sandbox',
    cell: ({ sandboxId }) =>
      sandboxId === null ? (
        <None />
      ) : (
        <Link to="/sandboxes/$id" params={{ id: sandboxId }}>
          {sandboxName(sandboxId)}
        </Link>
      ),
  },
  ...MEASURES.map(
    ({ measure, title, format }): Column<UsageRow> => ({
      id: measure,
      header: title,
      align: 'number',
      sort: (row) => row[measure],
      cell: (row) => format(row[measure]),
    }),
  ),
]

function hours(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3)
}
