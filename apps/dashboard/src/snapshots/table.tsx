import { Link } from '@tanstack/react-router'
import { type ReactNode, useMemo } from 'react'
import type { Snapshot } from 'spawnpoint'
import { formatBytes, formatDuration, nameOf, shortId } from '../format.ts'
import { useSandboxNames } from '../names-of.ts'
import { Age, Labels, None } from '../ui/bits.tsx'
import { ageColumn } from '../ui/columns.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { StateBadge } from '../ui/state-badge.tsx'
import { SnapshotMenu } from './actions.tsx'

interface SnapshotTableProps {
  snapshots: readonly Snapshot[]
  withSandbox?: boolean
  /** They lie in the trash, from where they can be brought back */
  inTrash?: boolean
  empty: ReactNode
}

export function SnapshotTable({ snapshots, withSandbox = false, inTrash = false, empty }: SnapshotTableProps) {
  const sandboxName = useSandboxNames()
  const columns = useMemo(
    () => columnsFor(withSandbox ? sandboxName : null, inTrash),
    [withSandbox, sandboxName, inTrash],
  )
  return <DataTable label="Snapshots" rows={snapshots} columns={columns} rowId={({ id }) => id} empty={empty} />
}

const NAME: Column<Snapshot> = {
  id: 'name',
  header: 'Name',
  sort: (snapshot) => snapshot.name ?? snapshot.id,
  cell: (snapshot) => (
    <>
      <Link to="/snapshots/$id" params={{ id: snapshot.id }} className="name">
        {nameOf(snapshot)}
      </Link>{' '}
      {snapshot.info.pinned && <span className="chip">pinned</span>}
      {snapshot.name !== null && <div className="sub">{shortId(snapshot.id)}</div>}
      <Labels labels={snapshot.info.labels} />
    </>
  ),
}

const sandboxColumn = (sandboxName: (id: string) => string): Column<Snapshot> => ({
  id: 'sandbox',
  header: 'Sandbox',
  sort: ({ info }) => sandboxName(info.sandboxId),
  cell: ({ info }) => (
    <Link to="/sandboxes/$id" params={{ id: info.sandboxId }}>
      {sandboxName(info.sandboxId)}
    </Link>
  ),
})

const STATUS: Column<Snapshot> = {
  id: 'state',
  header: 'Status',
  sort: ({ state }) => state,
  cell: ({ state, info }) => (
    <>
      <StateBadge state={state} />
      {info.verifiedAt !== null && (
        <div className="sub">
          verified <Age at={info.verifiedAt} />
        </div>
      )}
      {info.checkFailure !== null && <div className="sub wraps">check: {info.checkFailure}</div>}
      {info.failure !== null && <div className="sub wraps">{info.failure}</div>}
    </>
  ),
}

const SIZE: Column<Snapshot> = {
  id: 'size',
  header: 'Size',
  align: 'number',
  sort: ({ info }) => info.sizeBytes,
  cell: ({ info: { sizeBytes, storage } }) => (
    <>
      {formatBytes(sizeBytes)}
      {storage !== null && (
        <div className="sub" title="What nothing else in the store has, and what it has in common with others">
          {formatBytes(storage.uniqueBytes)} own
          <br />
          {formatBytes(storage.sharedBytes)} shared
        </div>
      )}
    </>
  ),
}

function columnsFor(sandboxName: ((id: string) => string) | null, inTrash: boolean): Column<Snapshot>[] {
  return [
    NAME,
    ...(sandboxName === null ? [] : [sandboxColumn(sandboxName)]),
    { id: 'kind', header: 'Kind', sort: ({ kind }) => kind, cell: ({ kind }) => kind },
    STATUS,
    SIZE,
    {
      id: 'standstill',
      header: 'Stood still',
      align: 'number',
      sort: ({ receipt }) => receipt?.standstillMs ?? null,
      cell: ({ receipt }) => (receipt === null ? <None /> : formatDuration(receipt.standstillMs)),
    },
    ageColumn('Created', ({ info }) => info.createdAt),
    inTrash
      ? {
          id: 'purged',
          header: 'Gone for good',
          sort: ({ info }) => info.purgeAt,
          cell: ({ info }) => <Age at={info.purgeAt} />,
        }
      : {
          id: 'expires',
          header: 'Expires',
          sort: ({ info }) => info.expiresAt,
          cell: ({ info }) => <Age at={info.expiresAt} />,
        },
    { id: 'actions', header: '', align: 'end', cell: (snapshot) => <SnapshotMenu snapshot={snapshot} /> },
  ]
}
