import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, Outlet } from '@tanstack/react-router'
import { createContext, use } from 'react'
import type { Sandbox } from 'spawnpoint'
import { codeOf, useClient } from '../client.tsx'
import { nameOf } from '../format.ts'
import { queries } from '../queries.ts'
import { Answer, Missing } from '../ui/bits.tsx'
import { StateBadge } from '../ui/state-badge.tsx'
import { SandboxButtons } from './actions.tsx'

const TABS = [
  ['/sandboxes/$id', 'Overview'],
  ['/sandboxes/$id/terminal', 'Terminal'],
  ['/sandboxes/$id/files', 'Files'],
  ['/sandboxes/$id/programs', 'Programs'],
  ['/sandboxes/$id/ports', 'Ports'],
  ['/sandboxes/$id/metrics', 'Metrics'],
  ['/sandboxes/$id/snapshots', 'Snapshots'],
  ['/sandboxes/$id/credentials', 'Credentials'],
  ['/sandboxes/$id/events', 'Events'],
] as const

const SandboxContext = createContext<Sandbox | null>(null)

/** The sandbox that the page is about. */
export function useSandbox(): Sandbox {
  const sandbox = use(SandboxContext)
  if (sandbox === null) throw new Error('This is not a part of the page of a sandbox')
  return sandbox
}

const route = getRouteApi('/sandboxes/$id')

export function SandboxPage() {
  const { id } = route.useParams()
  const query = useQuery(queries.sandbox(useClient(), id))
  return (
    <>
      <div className="crumbs">
        <Link to="/sandboxes">Sandboxes</Link> /
      </div>
      {codeOf(query.error) === 'not_found' ? (
        <Missing title="There is no such sandbox">
          It may have been removed from the records, or belong to another team.{' '}
          <Link to="/sandboxes">All sandboxes</Link>
        </Missing>
      ) : (
        <Answer query={query}>{(sandbox) => <Page sandbox={sandbox} />}</Answer>
      )}
    </>
  )
}

function Page({ sandbox }: { sandbox: Sandbox }) {
  const { failure } = sandbox.info
  return (
    <SandboxContext value={sandbox}>
      <title>{`${nameOf(sandbox)} · Spawnpoint`}</title>
      <div className="page-head">
        <h1>{nameOf(sandbox)}</h1>
        <StateBadge state={sandbox.state} />
        <SandboxButtons sandbox={sandbox} />
      </div>
      {failure !== null && (
        <div className="notice bad">
          <strong>{failure.reason.replaceAll('_', ' ')}.</strong> {failure.detail}
        </div>
      )}
      <nav className="tabs" aria-label="Parts of this sandbox">
        {TABS.map(([to, label]) => (
          <Link
            key={to}
            to={to}
            params={{ id: sandbox.id }}
            activeOptions={{ exact: true }}
            activeProps={{ 'aria-current': 'page' }}
          >
            {label}
          </Link>
        ))}
      </nav>
      <Outlet />
    </SandboxContext>
  )
}
