import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { Snapshot, SnapshotState } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { counted } from '../format.ts'
import { MOST, queries } from '../queries.ts'
import { Answer, Empty } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { PullSnapshotDialog } from './pull-dialog.tsx'
import { SnapshotTable } from './table.tsx'

const TRASH: SnapshotState[] = ['trashed']

const route = getRouteApi('/snapshots')

export function SnapshotsPage() {
  const { q: search = '', kind = 'all', shelf = 'kept' } = route.useSearch()
  const navigate = useNavigate()
  const [pulling, setPulling] = useState(false)
  const look = (changes: { q?: string | undefined; kind?: string; shelf?: string }) =>
    void navigate({ to: '/snapshots', search: { q: search || undefined, kind, shelf, ...changes }, replace: true })
  const query = useQuery(queries.snapshots(useClient(), shelf === 'trash' ? TRASH : undefined))
  const shown = useMemo(
    () => (query.data ?? []).filter((one) => (kind === 'all' || one.kind === kind) && matches(one, search)),
    [query.data, search, kind],
  )
  return (
    <>
      <title>Snapshots · Spawnpoint</title>
      <div className="page-head">
        <h1>Snapshots</h1>
        <Button needs="write" onClick={() => setPulling(true)}>
          Pull
        </Button>
      </div>
      <div className="toolbar">
        <input
          className="input grow"
          type="search"
          placeholder="Name, id, sandbox or label"
          aria-label="Search snapshots"
          value={search}
          onChange={(event) => look({ q: event.target.value || undefined })}
        />
        <select
          className="select"
          aria-label="Kind"
          value={kind}
          onChange={(event) => look({ kind: event.target.value })}
        >
          <option value="all">Every kind</option>
          <option value="memory">Memory</option>
          <option value="filesystem">Filesystem</option>
        </select>
        <select
          className="select"
          aria-label="Shelf"
          value={shelf}
          onChange={(event) => look({ shelf: event.target.value })}
        >
          <option value="kept">Kept</option>
          <option value="trash">In the trash</option>
        </select>
        <span className="count" role="status">
          {query.data !== undefined && counted(shown.length, 'snapshot', 'snapshots', query.data.length === MOST)}
        </span>
      </div>
      <Answer query={query}>
        {() => (
          <SnapshotTable
            snapshots={shown}
            withSandbox
            inTrash={shelf === 'trash'}
            empty={<NoSnapshots search={search} filtered={kind !== 'all'} inTrash={shelf === 'trash'} />}
          />
        )}
      </Answer>
      {pulling && <PullSnapshotDialog onClose={() => setPulling(false)} />}
    </>
  )
}

function NoSnapshots({ search, filtered, inTrash }: { search: string; filtered: boolean; inTrash: boolean }) {
  if (search !== '') return <Empty title={`Nothing matches “${search}”`} />
  if (inTrash) return <Empty title="The trash is empty" text="What is deleted lies here for a while." />
  if (filtered) return <Empty title="None of this kind" />
  return (
    <Empty
      title="No snapshot yet"
      text="A snapshot freezes a sandbox as it is, with its running programs or its files alone, while it runs on. Take one on a sandbox’s page."
    />
  )
}

function matches({ id, name, info }: Snapshot, search: string): boolean {
  const wanted = search.trim().toLowerCase()
  if (wanted === '') return true
  const texts = [id, name ?? '', info.sandboxId, ...Object.entries(info.labels).map((pair) => pair.join(':'))]
  return texts.some((text) => text.toLowerCase().includes(wanted))
}
