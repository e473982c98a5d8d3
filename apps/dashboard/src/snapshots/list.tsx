import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { Snapshot, SnapshotState } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { MOST, queries } from '../queries.ts'
import { Answer } from '../ui/bits.tsx'
import { SnapshotTable } from './table.tsx'

const TRASH: SnapshotState[] = ['trashed']

export function SnapshotsPage() {
  const [shelf, setShelf] = useState('kept')
  const query = useQuery(queries.snapshots(useClient(), shelf === 'trash' ? TRASH : undefined))
  const [search, setSearch] = useState('')
  const [kind, setKind] = useState('all')
  const shown = useMemo(
    () => (query.data ?? []).filter((one) => (kind === 'all' || one.kind === kind) && matches(one, search)),
    [query.data, search, kind],
  )
  return (
    <>
      <title>Snapshots · Spawnpoint</title>
      <div className="page-head">
        <h1>Snapshots</h1>
      </div>
      <div className="toolbar">
        <input
          className="input grow"
          type="search"
          placeholder="Name, id, sandbox or label"
          aria-label="Search snapshots"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <select className="select" aria-label="Kind" value={kind} onChange={(event) => setKind(event.target.value)}>
          <option value="all">Every kind</option>
          <option value="memory">Memory</option>
          <option value="filesystem">Filesystem</option>
        </select>
        <select className="select" aria-label="Shelf" value={shelf} onChange={(event) => setShelf(event.target.value)}>
          <option value="kept">Kept</option>
          <option value="trash">In the trash</option>
        </select>
        <span className="count" role="status">
          {query.data !== undefined && `${shown.length}${query.data.length === MOST ? '+' : ''} snapshots`}
        </span>
      </div>
      <Answer query={query}>
        {() => (
          <SnapshotTable
            snapshots={shown}
            withSandbox
            inTrash={shelf === 'trash'}
            empty={search === '' ? 'None here.' : `Nothing matches '${search}'.`}
          />
        )}
      </Answer>
    </>
  )
}

function matches({ id, name, info }: Snapshot, search: string): boolean {
  const wanted = search.trim().toLowerCase()
  if (wanted === '') return true
  const texts = [id, name ?? '', info.sandboxId, ...Object.entries(info.labels).map((pair) => pair.join(':'))]
  return texts.some((text) => text.toLowerCase().includes(wanted))
}
