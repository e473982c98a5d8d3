import { useQuery } from '@tanstack/react-query'
import type { SpawnpointEvent } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { Answer } from '../ui/bits.tsx'
import { ageColumn } from '../ui/columns.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { useSandbox } from './detail.tsx'

const COLUMNS: Column<SpawnpointEvent>[] = [
  ageColumn('When', ({ at }) => at),
  { id: 'type', header: 'What', sort: ({ type }) => type, cell: ({ type }) => <code>{type}</code> },
  {
    id: 'data',
    header: 'More',
    cell: ({ data }) => <span className="sub wraps">{dataText(data)}</span>,
  },
]

export function EventsTab() {
  const query = useQuery(queries.events(useClient(), useSandbox().id))
  return (
    <Answer query={query}>
      {(events) => (
        <DataTable
          label="Events"
          rows={events.toReversed()}
          columns={COLUMNS}
          rowId={({ seq }) => String(seq)}
          find={({ type, data }) => [type, dataText(data)]}
          empty="Nothing is recorded any more."
        />
      )}
    </Answer>
  )
}

/** `kind memory, name ready`; what says nothing is left out. */
function dataText(data: Record<string, unknown>): string {
  const text = Object.entries(data)
    .filter(([, value]) => value !== null && value !== '')
    .map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ')
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
