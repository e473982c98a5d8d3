import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { Team } from 'spawnpoint'
import { codeOf, useClient } from '../client.tsx'
import { formatBytes, formatDuration, shortId } from '../format.ts'
import { SecretDialog } from '../keys/secret-dialog.tsx'
import { queries } from '../queries.ts'
import { Answer, Empty, Meter } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { ageColumn } from '../ui/columns.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { LimitsDialog } from './limits-dialog.tsx'

export function TeamsPage() {
  const client = useClient()
  const queryClient = useQueryClient()
  const query = useQuery(queries.teams(client))
  const [asking, setAsking] = useState<Team | 'new' | null>(null)
  const [secret, setSecret] = useState<string | null>(null)
  const columns = useMemo(() => columnsFor(setAsking), [])
  const again = () => queryClient.invalidateQueries({ queryKey: ['teams'] })
  const allowed = codeOf(query.error) !== 'forbidden'
  return (
    <>
      <title>Teams · Spawnpoint</title>
      <div className="page-head">
        <h1>Teams</h1>
        {allowed && (
          <Button look="primary" onClick={() => setAsking('new')}>
            New team
          </Button>
        )}
      </div>
      {allowed ? (
        <Answer query={query}>
          {(teams) => (
            <DataTable
              label="Teams"
              rows={teams}
              columns={columns}
              rowId={({ id }) => id}
              find={({ id, name }) => [id, name]}
              empty="There is none."
            />
          )}
        </Answer>
      ) : (
        <div className="panel empty">
          <Empty
            title="Not with this key"
            text="Teams are made, and their limits set, with a key of the scope server: the admin key in the server's data directory. The members of your own team have keys on the page Keys."
          />
        </div>
      )}
      {asking !== null && (
        <LimitsDialog
          team={asking === 'new' ? null : asking}
          onSaved={async (made) => {
            setSecret(made)
            await again()
          }}
          onClose={() => setAsking(null)}
        />
      )}
      {secret !== null && (
        <SecretDialog title="The team's first key" secret={secret} onClose={() => setSecret(null)}>
          With it the team makes keys for its members, on the page Keys. It is shown this once; the server keeps only
          its hash.
        </SecretDialog>
      )}
    </>
  )
}

function Use({ value, limit, text }: { value: number; limit: number | null; text: (value: number) => string }) {
  return (
    <div className="used">
      {text(value)}
      {limit !== null && (
        <>
          {' '}
          <span className="sub">of {text(limit)}</span>
          <Meter value={value} of={limit} />
        </>
      )}
    </div>
  )
}

function columnsFor(change: (team: Team) => void): Column<Team>[] {
  const used = (
    id: 'sandboxes' | 'cpus' | 'memoryBytes' | 'snapshots' | 'storageBytes',
    header: string,
    text: (value: number) => string = String,
  ): Column<Team> => ({
    id,
    header,
    sort: (team) => team.used[id],
    cell: (team) => <Use value={team.used[id]} limit={team.limits[id]} text={text} />,
  })
  return [
    {
      id: 'name',
      header: 'Name',
      sort: ({ name }) => name,
      cell: ({ id, name }) => (
        <>
          <span className="name">{name}</span>
          <div className="sub">{shortId(id)}</div>
        </>
      ),
    },
    used('sandboxes', 'Sandboxes'),
    used('cpus', 'CPUs'),
    used('memoryBytes', 'Memory', formatBytes),
    used('snapshots', 'Snapshots'),
    used('storageBytes', 'Storage', formatBytes),
    {
      id: 'retention',
      header: 'Keeps at most',
      sort: ({ limits }) => limits.snapshotRetentionMs,
      cell: ({ limits: { snapshotRetentionMs: most } }) => (most === null ? 'for ever' : formatDuration(most)),
    },
    ageColumn('Created', ({ createdAt }) => createdAt),
    {
      id: 'actions',
      header: '',
      align: 'end',
      cell: (team) => (
        <Button look="small" aria-label={`Limits of ${team.name}`} onClick={() => change(team)}>
          Limits
        </Button>
      ),
    },
  ]
}
