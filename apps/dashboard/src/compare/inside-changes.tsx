import type { CensusProcess, Comparison, ListeningPort } from 'spawnpoint'
import { formatBytes } from '../format.ts'
import { type Column, DataTable } from '../ui/data-table.tsx'

type Change<T> = { gone: boolean; item: T }

export function ProcessChanges({ processes }: Pick<Comparison, 'processes'>) {
  if (processes === null) return <NotKnown title="Processes" />
  return (
    <>
      <h2 className="below">Processes</h2>
      <DataTable
        label="Processes"
        rows={changes(processes.started, processes.ended)}
        columns={PROCESSES}
        rowId={({ gone, item }) => `${gone} ${item.pid} ${item.command}`}
        empty="The same processes run."
      />
    </>
  )
}

export function PortChanges({ ports }: Pick<Comparison, 'ports'>) {
  if (ports === null || ports.opened.length + ports.closed.length === 0) return null
  return (
    <>
      <h2 className="below">Ports</h2>
      <DataTable
        label="Ports"
        rows={changes(ports.opened, ports.closed)}
        columns={PORTS}
        rowId={({ gone, item }) => `${gone} ${item.address} ${item.port}`}
        empty=""
      />
    </>
  )
}

export function MemoryChanges({ memory }: Pick<Comparison, 'memory'>) {
  if (memory === null || memory.length === 0) return null
  return (
    <>
      <h2 className="below">Memory by process</h2>
      <DataTable
        label="Memory by process"
        rows={memory}
        columns={MEMORY}
        rowId={({ pid, command }) => `${pid} ${command}`}
        empty=""
      />
    </>
  )
}

function NotKnown({ title }: { title: string }) {
  return (
    <>
      <h2 className="below">{title}</h2>
      <div className="panel empty">
        What ran is not known of one of the two: a sandbox that does not run, or a snapshot of an earlier version.
      </div>
    </>
  )
}

function changes<T>(come: readonly T[], gone: readonly T[]): Change<T>[] {
  return [...come.map((item) => ({ gone: false, item })), ...gone.map((item) => ({ gone: true, item }))]
}

const PROCESSES: Column<Change<CensusProcess>>[] = [
  {
    id: 'what',
    header: 'Change',
    cell: ({ gone }) => <span className={gone ? 'badge bad' : 'badge good'}>{gone ? 'ended' : 'started'}</span>,
  },
  { id: 'pid', header: 'PID', align: 'number', sort: ({ item }) => item.pid, cell: ({ item }) => item.pid },
  { id: 'command', header: 'Command', cell: ({ item }) => <code>{item.command}</code> },
  { id: 'user', header: 'User', cell: ({ item }) => item.user },
  {
    id: 'memory',
    header: 'Memory',
    align: 'number',
    sort: ({ item }) => item.memoryBytes,
    cell: ({ item }) => formatBytes(item.memoryBytes),
  },
]

const PORTS: Column<Change<ListeningPort>>[] = [
  {
    id: 'what',
    header: 'Change',
    cell: ({ gone }) => <span className={gone ? 'badge bad' : 'badge good'}>{gone ? 'closed' : 'opened'}</span>,
  },
  { id: 'port', header: 'Port', sort: ({ item }) => item.port, cell: ({ item }) => <strong>{item.port}</strong> },
  { id: 'address', header: 'Address', cell: ({ item }) => <code>{item.address}</code> },
  { id: 'pid', header: 'Of process', align: 'number', cell: ({ item }) => item.pid ?? '–' },
]

type Memory = NonNullable<Comparison['memory']>[number]

const MEMORY: Column<Memory>[] = [
  { id: 'pid', header: 'PID', align: 'number', cell: ({ pid }) => pid },
  { id: 'command', header: 'Command', cell: ({ command }) => <code>{command}</code> },
  { id: 'before', header: 'Before', align: 'number', cell: ({ bytesBefore }) => bytes(bytesBefore) },
  { id: 'after', header: 'After', align: 'number', cell: ({ bytesAfter }) => bytes(bytesAfter) },
  {
    id: 'change',
    header: 'Change',
    align: 'number',
    sort: (row) => change(row),
    cell: (row) => `${change(row) < 0 ? '−' : '+'}${formatBytes(Math.abs(change(row)))}`,
  },
]

function change({ bytesBefore, bytesAfter }: Memory): number {
  return (bytesAfter ?? 0) - (bytesBefore ?? 0)
}

function bytes(value: number | null): string {
  return value === null ? '–' : formatBytes(value)
}
