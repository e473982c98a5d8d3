import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { Sandbox, SandboxState } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { counted, formatBytes, nameOf, shortId } from '../format.ts'
import { MOST, queries } from '../queries.ts'
import { Age, Answer, Empty, Labels } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { StateBadge } from '../ui/state-badge.tsx'
import { SandboxMenu } from './actions.tsx'
import { CreateDialog } from './create-dialog.tsx'

const FILTERS: Record<string, { label: string; states: SandboxState[] | undefined }> = {
  living: { label: 'Living', states: undefined },
  running: { label: 'Running', states: ['running', 'snapshotting'] },
  resting: { label: 'Paused or stopped', states: ['paused', 'stopped'] },
  failed: { label: 'Failed', states: ['failed'] },
  killed: { label: 'Killed', states: ['killed'] },
}

const COLUMNS: Column<Sandbox>[] = [
  {
    id: 'name',
    header: 'Name',
    sort: (sandbox) => sandbox.name ?? sandbox.id,
    cell: (sandbox) => (
      <>
        <Link to="/sandboxes/$id" params={{ id: sandbox.id }} className="name">
          {nameOf(sandbox)}
        </Link>
        {sandbox.name !== null && <div className="sub">{shortId(sandbox.id)}</div>}
        <Labels labels={sandbox.labels} />
      </>
    ),
  },
  {
    id: 'state',
    header: 'State',
    sort: (sandbox) => sandbox.state,
    cell: (sandbox) => (
      <>
        <StateBadge state={sandbox.state} />
        {sandbox.info.failure !== null && <div className="sub">{sandbox.info.failure.reason.replaceAll('_', ' ')}</div>}
      </>
    ),
  },
  {
    id: 'source',
    header: 'From',
    sort: ({ info }) => info.image.name,
    cell: ({ info }) => (
      <>
        {info.image.name ?? shortId(info.image.id)}
        {info.originSnapshotId !== null && <div className="sub">snapshot {shortId(info.originSnapshotId)}</div>}
      </>
    ),
  },
  {
    id: 'cpus',
    header: 'CPUs',
    align: 'number',
    sort: ({ info }) => info.resources.cpus,
    cell: ({ info }) => info.resources.cpus,
  },
  {
    id: 'memory',
    header: 'Memory',
    align: 'number',
    sort: ({ info }) => info.resources.memoryBytes,
    cell: ({ info }) => formatBytes(info.resources.memoryBytes),
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
  { id: 'actions', header: '', align: 'end', cell: (sandbox) => <SandboxMenu sandbox={sandbox} /> },
]

const route = getRouteApi('/sandboxes')

export function SandboxesPage() {
  const client = useClient()
  // In the address, so that going back, or passing it on, keeps what was looked for.
  const { q: search = '', state: filter = 'living' } = route.useSearch()
  const navigate = useNavigate()
  const look = (changes: { q?: string | undefined; state?: string }) =>
    void navigate({ to: '/sandboxes', search: { q: search || undefined, state: filter, ...changes }, replace: true })
  const [creating, setCreating] = useState(false)
  const query = useQuery(queries.sandboxes(client, FILTERS[filter]?.states))
  const shown = useMemo(() => (query.data ?? []).filter((sandbox) => matches(sandbox, search)), [query.data, search])
  return (
    <>
      <title>Sandboxes · Spawnpoint</title>
      <div className="page-head">
        <h1>Sandboxes</h1>
        <Button look="primary" needs="write" onClick={() => setCreating(true)}>
          New sandbox
        </Button>
      </div>
      <div className="toolbar">
        <input
          className="input grow"
          type="search"
          placeholder="Name, id, image or label"
          aria-label="Search sandboxes"
          value={search}
          onChange={(event) => look({ q: event.target.value || undefined })}
        />
        <select
          className="select"
          aria-label="State"
          value={filter}
          onChange={(event) => look({ state: event.target.value })}
        >
          {Object.entries(FILTERS).map(([value, { label }]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
        <span className="count" role="status">
          {query.data !== undefined && counted(shown.length, 'sandbox', 'sandboxes', query.data.length === MOST)}
        </span>
      </div>
      <Answer query={query}>
        {() => (
          <DataTable
            label="Sandboxes"
            rows={shown}
            columns={COLUMNS}
            rowId={(sandbox) => sandbox.id}
            empty={
              search === '' && filter === 'living' ? (
                <Empty
                  title="No sandbox yet"
                  text="A sandbox is an isolated Linux machine of its own, made from an image or from a snapshot."
                >
                  <Button look="primary" needs="write" onClick={() => setCreating(true)}>
                    Make the first one
                  </Button>
                </Empty>
              ) : (
                <Empty title={search === '' ? 'None in this state' : `Nothing matches “${search}”`} />
              )
            }
          />
        )}
      </Answer>
      {creating && <CreateDialog onClose={() => setCreating(false)} />}
    </>
  )
}

function matches({ id, name, labels, info }: Sandbox, search: string): boolean {
  const wanted = search.trim().toLowerCase()
  if (wanted === '') return true
  const texts = [id, name ?? '', info.image.name ?? '', ...Object.entries(labels).map((pair) => pair.join(':'))]
  return texts.some((text) => text.toLowerCase().includes(wanted))
}
