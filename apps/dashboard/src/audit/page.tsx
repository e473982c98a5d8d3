import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { AuditEntry } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { counted, shortId } from '../format.ts'
import { Answer, None } from '../ui/bits.tsx'
import { ageColumn } from '../ui/columns.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'

/** Newest ones; the API and `spawnpoint audit` have all of them. */
const MOST = 500

const SUBJECTS = ['sandboxes', 'snapshots', 'images', 'keys', 'schedules', 'volumes', 'registries', 'teams']

export function AuditPage() {
  const client = useClient()
  const [what, setWhat] = useState('')
  const query = useQuery({
    queryKey: ['audit', what],
    queryFn: () => client.audit.list({ what: what === '' ? undefined : what }, { pageSize: MOST }).toArray(MOST),
    staleTime: 0,
  })
  return (
    <>
      <title>Audit · Spawnpoint</title>
      <div className="page-head">
        <h1>Audit log</h1>
      </div>
      <div className="toolbar">
        <select className="select" aria-label="Subject" value={what} onChange={(event) => setWhat(event.target.value)}>
          <option value="">Everything</option>
          {SUBJECTS.map((subject) => (
            <option key={subject} value={`${subject}.`}>
              {subject}
            </option>
          ))}
        </select>
        <span className="count" role="status">
          {query.data !== undefined && counted(query.data.length, 'call', 'calls', query.data.length === MOST)}
        </span>
      </div>
      <Answer query={query}>
        {(entries) => (
          <DataTable
            label="Audit log"
            rows={entries}
            columns={COLUMNS}
            rowId={({ id }) => id}
            find={({ member, keyName, what, target, outcome, door }) => [member, keyName, what, target, outcome, door]}
            empty="Nothing is recorded."
          />
        )}
      </Answer>
    </>
  )
}

const COLUMNS: Column<AuditEntry>[] = [
  ageColumn('When', ({ at }) => at),
  {
    id: 'who',
    header: 'Who',
    sort: ({ member, keyName }) => member ?? keyName,
    cell: ({ member, keyName, keyId }) => (
      <>
        {member ?? keyName ?? <None />}
        {member !== null && keyName !== null && <div className="sub">{keyName}</div>}
        {keyId !== null && keyName === null && <div className="sub">{shortId(keyId)}</div>}
      </>
    ),
  },
  { id: 'door', header: 'Through', sort: ({ door }) => door, cell: ({ door }) => door },
  { id: 'what', header: 'What', sort: ({ what }) => what, cell: ({ what }) => <code>{what}</code> },
  {
    id: 'target',
    header: 'Of',
    cell: ({ target }) =>
      target === null ? (
        <None />
      ) : (
        <span title={target}>{target.length > 40 ? `${target.slice(0, 40)}…` : target}</span>
      ),
  },
  {
    id: 'outcome',
    header: 'Outcome',
    sort: ({ outcome }) => outcome,
    cell: ({ outcome }) => (
      <span className={outcome === 'done' || outcome === 'accepted' ? 'badge good' : 'badge bad'}>
        {outcome.replaceAll('_', ' ')}
      </span>
    ),
  },
]
