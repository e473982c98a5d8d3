import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Team } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { formatDuration } from '../format.ts'
import { queries } from '../queries.ts'
import { storedKey } from '../session.ts'
import { Age, Answer, Chips, Copy, Facts, None } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { CheckField } from '../ui/field.tsx'
import { linesFor } from './lines.ts'
import { TeamDialog } from './team-dialog.tsx'

const HIDDEN = 'KEY'

export function SettingsPage() {
  const client = useClient()
  const server = useQuery(queries.server(client))
  const team = useQuery(queries.team(client))
  const own = useQuery(queries.key(client))
  const [withKey, setWithKey] = useState(false)
  const key = storedKey() ?? HIDDEN
  return (
    <>
      <title>Settings · Spawnpoint</title>
      <div className="page-head">
        <h1>Settings</h1>
      </div>
      <div className="grid-2">
        <section className="panel">
          <h2>Team</h2>
          <Answer query={team}>{(data) => <TeamFacts team={data} />}</Answer>
        </section>
        <section className="panel">
          <h2>This key</h2>
          <Answer query={own}>
            {({ name, hint, member, scopes, createdAt }) => (
              <Facts
                of={[
                  ['Name', name],
                  ['Key', <code key="hint">{hint}…</code>],
                  ['Whose', member ?? <None key="none" />],
                  ['May', <Chips key="scopes" texts={scopes} />],
                  ['Created', <Age key="created" at={createdAt} />],
                ]}
              />
            )}
          </Answer>
        </section>
        <section className="panel">
          <h2>Server</h2>
          <Answer query={server}>
            {({ version, domain }) => (
              <Facts
                of={[
                  ['Address', location.origin],
                  ['Version', version],
                  ['Domain', domain ?? 'none; ports of sandboxes answer below localhost'],
                  [
                    'API',
                    <a key="docs" href="/v1/docs" target="_blank" rel="noopener noreferrer">
                      reference
                    </a>,
                  ],
                ]}
              />
            )}
          </Answer>
        </section>
      </div>
      <section className="panel lines">
        <h2>What to set for each client</h2>
        <CheckField label="Show the key of this session in them" checked={withKey} onChange={setWithKey} />
        {linesFor(location.origin, withKey ? key : HIDDEN).map(({ vendor, language, text }) => (
          <div key={vendor}>
            <h3>
              {vendor} <span className="sub">{language}</span>{' '}
              <Copy text={text} label={`Copy the lines for ${vendor}`} />
            </h3>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must be able to */}
            <pre className="code" tabIndex={0}>
              {text}
            </pre>
          </div>
        ))}
      </section>
    </>
  )
}

function TeamFacts({ team }: { team: Team }) {
  const [changing, setChanging] = useState(false)
  const { id, name, createdAt, snapshotRetentionMs, trashMs } = team
  return (
    <>
      <Facts
        of={[
          ['Name', name],
          ['Id', <code key="id">{id}</code>],
          ['Created', <Age key="created" at={createdAt} />],
          ['Snapshots are kept', snapshotRetentionMs === null ? 'for ever' : formatDuration(snapshotRetentionMs)],
          ['Deleted ones', trashMs === 0 ? 'are gone at once' : `lie in the trash for ${formatDuration(trashMs)}`],
        ]}
      />
      <p />
      <Button look="small" needs="admin" onClick={() => setChanging(true)}>
        Change
      </Button>
      {changing && <TeamDialog team={team} onClose={() => setChanging(false)} />}
    </>
  )
}
