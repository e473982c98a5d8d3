import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, Outlet } from '@tanstack/react-router'
import { createContext, use } from 'react'
import type { Snapshot } from 'spawnpoint'
import { codeOf, useClient } from '../client.tsx'
import { nameOf } from '../format.ts'
import { queries } from '../queries.ts'
import { Answer, Missing } from '../ui/bits.tsx'
import { StateBadge } from '../ui/state-badge.tsx'
import { SnapshotButtons } from './actions.tsx'

const TABS = [
  ['/snapshots/$id', 'Overview'],
  ['/snapshots/$id/files', 'Files'],
  ['/snapshots/$id/ran', 'What ran'],
] as const

const SnapshotContext = createContext<Snapshot | null>(null)

/** The snapshot that the page is about. */
export function useSnapshot(): Snapshot {
  const snapshot = use(SnapshotContext)
  if (snapshot === null) throw new Error('This is not a part of the page of a snapshot')
  return snapshot
}

const route = getRouteApi('/snapshots/$id')

export function SnapshotPage() {
  const { id } = route.useParams()
  const query = useQuery(queries.snapshot(useClient(), id))
  return (
    <>
      <div className="crumbs">
        <Link to="/snapshots">Snapshots</Link> /
      </div>
      {codeOf(query.error) === 'not_found' ? (
        <Missing title="There is no such snapshot">
          It may have been removed from the records, or belong to another team.{' '}
          <Link to="/snapshots">All snapshots</Link>
        </Missing>
      ) : (
        <Answer query={query}>{(snapshot) => <Page snapshot={snapshot} />}</Answer>
      )}
    </>
  )
}

function Page({ snapshot }: { snapshot: Snapshot }) {
  const { failure, checkFailure } = snapshot.info
  return (
    <SnapshotContext value={snapshot}>
      <title>{`${nameOf(snapshot)} · Spawnpoint`}</title>
      <div className="page-head">
        <h1>{nameOf(snapshot)}</h1>
        <StateBadge state={snapshot.state} />
        <SnapshotButtons snapshot={snapshot} />
      </div>
      {failure !== null && <div className="notice bad">{failure}</div>}
      {checkFailure !== null && <div className="notice bad">The last check found: {checkFailure}</div>}
      <nav className="tabs" aria-label="Parts of this snapshot">
        {TABS.map(([to, label]) => (
          <Link
            key={to}
            to={to}
            params={{ id: snapshot.id }}
            activeOptions={{ exact: true }}
            activeProps={{ 'aria-current': 'page' }}
          >
            {label}
          </Link>
        ))}
      </nav>
      <Outlet />
    </SnapshotContext>
  )
}
