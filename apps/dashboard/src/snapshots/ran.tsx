import { useQuery } from '@tanstack/react-query'
import type { CensusProcess, ListeningPort } from 'spawnpoint'
import { formatBytes } from '../format.ts'
import { Answer } from '../ui/bits.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { useSnapshot } from './detail.tsx'

/** What ran when it was taken, as the sandbox itself told it. */
export function SnapshotRanTab() {
  const snapshot = useSnapshot()
  const query = useQuery({
    queryKey: ['of-snapshot', snapshot.id, 'census'],
    queryFn: () => snapshot.census(),
    staleTime: Number.POSITIVE_INFINITY,
  })
  return (
    <Answer query={query}>
      {(census) =>
        census === null ? (
          <div className="panel empty">What ran is not known of it.</div>
        ) : (
          <>
            <DataTable
              label="Processes"
              rows={census.processes}
              columns={PROCESSES}
              rowId={({ pid }) => String(pid)}
              empty="Nothing ran."
            />
            {census.truncated && <div className="notice below">There was more than is told here.</div>}
            <h2 className="below">Ports</h2>
            <DataTable
              label="Ports"
              rows={census.ports}
              columns={PORTS}
              rowId={({ address, port }) => `${address} ${port}`}
              empty="Nothing listened."
            />
          </>
        )
      }
    </Answer>
  )
}

const PROCESSES: Column<CensusProcess>[] = [
  { id: 'pid', header: 'PID', align: 'number', sort: ({ pid }) => pid, cell: ({ pid }) => pid },
  { id: 'command', header: 'Command', cell: ({ command }) => <code>{command}</code> },
  { id: 'user', header: 'User', cell: ({ user }) => user },
  {
    id: 'memory',
    header: 'Memory',
    align: 'number',
    sort: ({ memoryBytes }) => memoryBytes,
    cell: ({ memoryBytes }) => formatBytes(memoryBytes),
  },
]

const PORTS: Column<ListeningPort>[] = [
  { id: 'port', header: 'Port', sort: ({ port }) => port, cell: ({ port }) => <strong>{port}</strong> },
  { id: 'address', header: 'Address', cell: ({ address }) => <code>{address}</code> },
  { id: 'pid', header: 'Of process', align: 'number', cell: ({ pid }) => pid ?? '–' },
]
