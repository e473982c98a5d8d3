import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { Snapshot } from 'spawnpoint'
import { formatBytes, formatDuration, nameOf, shortId } from '../format.ts'
import { Age, Labels } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Menu } from '../ui/menu.tsx'
import { StateBadge } from '../ui/state-badge.tsx'
import { doing } from '../ui/toasts.tsx'
import { DeleteDialog } from './delete-dialog.tsx'
import { RestoreDialog } from './restore-dialog.tsx'

type Asking = { for: 'restore' | 'delete'; snapshot: Snapshot }

interface SnapshotTableProps {
  snapshots: readonly Snapshot[]
  withSandbox?: boolean
  empty: string
}

export function SnapshotTable({ snapshots, withSandbox = false, empty }: SnapshotTableProps) {
  const [asking, setAsking] = useState<Asking | null>(null)
  const columns = useMemo(() => columnsFor(withSandbox, setAsking), [withSandbox])
  const close = () => setAsking(null)
  return (
    <>
      <DataTable label="Snapshots" rows={snapshots} columns={columns} rowId={({ id }) => id} empty={empty} />
      {asking?.for === 'restore' && <RestoreDialog snapshot={asking.snapshot} onClose={close} />}
      {asking?.for === 'delete' && <DeleteDialog snapshot={asking.snapshot} onClose={close} />}
    </>
  )
}

function columnsFor(withSandbox: boolean, ask: (asking: Asking) => void): Column<Snapshot>[] {
  const sandbox: Column<Snapshot> = {
    id: 'sandbox',
    header: 'Sandbox',
    sort: ({ info }) => info.sandboxId,
    cell: ({ info }) => (
      <Link to="/sandboxes/$id" params={{ id: info.sandboxId }}>
        {shortId(info.sandboxId)}
      </Link>
    ),
  }
  return [
    {
      id: 'name',
      header: 'Name',
      sort: (snapshot) => snapshot.name ?? snapshot.id,
      cell: (snapshot) => (
        <>
          <span className="name">
            {nameOf(snapshot)}
            {snapshot.info.pinned && <span className="chip">pinned</span>}
          </span>
          {snapshot.name !== null && <div className="sub">{shortId(snapshot.id)}</div>}
          <Labels labels={snapshot.info.labels} />
        </>
      ),
    },
    ...(withSandbox ? [sandbox] : []),
    { id: 'kind', header: 'Kind', sort: ({ kind }) => kind, cell: ({ kind }) => kind },
    {
      id: 'state',
      header: 'Status',
      sort: ({ state }) => state,
      cell: ({ state, info }) => (
        <>
          <StateBadge state={state} />
          {info.failure !== null && <div className="sub">{info.failure}</div>}
        </>
      ),
    },
    {
      id: 'size',
      header: 'Size',
      align: 'number',
      sort: ({ info }) => info.sizeBytes,
      cell: ({ info }) => formatBytes(info.sizeBytes),
    },
    {
      id: 'standstill',
      header: 'Stood still',
      align: 'number',
      sort: ({ receipt }) => receipt?.standstillMs ?? null,
      cell: ({ receipt }) => (receipt === null ? '–' : formatDuration(receipt.standstillMs)),
    },
    {
      id: 'created',
      header: 'Created',
      sort: ({ info }) => info.createdAt,
      cell: ({ info }) => <Age at={info.createdAt} />,
    },
    {
      id: 'expires',
      header: 'Expires',
      sort: ({ info }) => info.expiresAt,
      cell: ({ info }) => <Age at={info.expiresAt} />,
    },
    {
      id: 'actions',
      header: '',
      align: 'end',
      cell: (snapshot) => (
        <>
          {snapshot.state === 'ready' && (
            <Button
              look="small"
              onClick={() => ask({ for: 'restore', snapshot })}
              aria-label={`Restore ${nameOf(snapshot)}`}
            >
              Restore
            </Button>
          )}
          <Menu label={`Actions for ${nameOf(snapshot)}`} entries={entriesFor(snapshot, ask)}>
            •••
          </Menu>
        </>
      ),
    },
  ]
}

function entriesFor(snapshot: Snapshot, ask: (asking: Asking) => void) {
  if (snapshot.state !== 'ready' && snapshot.state !== 'failed') return []
  const { pinned } = snapshot.info
  const pin = {
    label: pinned ? 'Unpin' : 'Pin',
    onSelect: () =>
      void doing(pinned ? 'Unpin' : 'Pin', pinned ? 'It may expire again' : 'It does not expire', () =>
        snapshot.update({ pinned: !pinned }),
      ),
  }
  const remove = { label: 'Delete', danger: true, onSelect: () => ask({ for: 'delete', snapshot }) }
  return snapshot.state === 'ready' ? [pin, remove] : [remove]
}
