import { useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { Snapshot } from 'spawnpoint'
import { formatBytes, formatDuration, nameOf, shortId } from '../format.ts'
import { Age, Labels } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Menu, type MenuEntry } from '../ui/menu.tsx'
import { StateBadge } from '../ui/state-badge.tsx'
import { doing } from '../ui/toasts.tsx'
import { DeleteDialog } from './delete-dialog.tsx'
import { RestoreDialog } from './restore-dialog.tsx'

type Asking = { for: 'restore' | 'delete'; snapshot: Snapshot }

interface SnapshotTableProps {
  snapshots: readonly Snapshot[]
  withSandbox?: boolean
  /** They lie in the trash, from where they can be brought back */
  inTrash?: boolean
  empty: string
}

export function SnapshotTable({ snapshots, withSandbox = false, inTrash = false, empty }: SnapshotTableProps) {
  const [asking, setAsking] = useState<Asking | null>(null)
  const queryClient = useQueryClient()
  const columns = useMemo(() => {
    // Of what is pinned or not nothing is told in the events.
    const again = () => queryClient.invalidateQueries({ queryKey: ['snapshots'] })
    return columnsFor(withSandbox, inTrash, setAsking, again)
  }, [withSandbox, inTrash, queryClient])
  const close = () => setAsking(null)
  return (
    <>
      <DataTable label="Snapshots" rows={snapshots} columns={columns} rowId={({ id }) => id} empty={empty} />
      {asking?.for === 'restore' && <RestoreDialog snapshot={asking.snapshot} onClose={close} />}
      {asking?.for === 'delete' && <DeleteDialog snapshot={asking.snapshot} onClose={close} />}
    </>
  )
}

function columnsFor(
  withSandbox: boolean,
  inTrash: boolean,
  ask: (asking: Asking) => void,
  again: () => Promise<unknown>,
): Column<Snapshot>[] {
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
          {info.verifiedAt !== null && (
            <div className="sub">
              verified <Age at={info.verifiedAt} />
            </div>
          )}
          {info.checkFailure !== null && <div className="sub wraps">check: {info.checkFailure}</div>}
          {info.failure !== null && <div className="sub wraps">{info.failure}</div>}
        </>
      ),
    },
    {
      id: 'size',
      header: 'Size',
      align: 'number',
      sort: ({ info }) => info.sizeBytes,
      cell: ({ info: { sizeBytes, storage } }) => (
        <>
          {formatBytes(sizeBytes)}
          {storage !== null && (
            <div className="sub" title="What nothing else in the store has, and what it has in common with others">
              {formatBytes(storage.uniqueBytes)} own, {formatBytes(storage.sharedBytes)} shared
            </div>
          )}
        </>
      ),
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
          {snapshot.state === 'trashed' && (
            <Button look="small" onClick={() => void bringBack(snapshot)} aria-label={`Bring back ${nameOf(snapshot)}`}>
              Bring back
            </Button>
          )}
          <Menu label={`Actions for ${nameOf(snapshot)}`} entries={entriesFor(snapshot, ask, again)}>
            •••
          </Menu>
        </>
      ),
    },
  ]
}

function bringBack(snapshot: Snapshot): Promise<void> {
  return doing('Bringing it back', `${nameOf(snapshot)} is back`, () => snapshot.undelete())
}

function entriesFor(snapshot: Snapshot, ask: (asking: Asking) => void, again: () => Promise<unknown>): MenuEntry[] {
  const { pinned } = snapshot.info
  const pin = {
    label: pinned ? 'Unpin' : 'Pin',
    onSelect: () =>
      void doing(pinned ? 'Unpin' : 'Pin', pinned ? 'It may expire again' : 'It does not expire', async () => {
        await snapshot.update({ pinned: !pinned })
        await again()
      }),
  }
  const remove = { label: 'Delete', danger: true, onSelect: () => ask({ for: 'delete', snapshot }) }
  switch (snapshot.state) {
    case 'ready':
      return [pin, remove]
    case 'failed':
      return [remove]
    case 'trashed':
      return [{ ...remove, label: 'Delete for good' }]
    default:
      return []
  }
}
