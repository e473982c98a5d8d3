import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { Comparison, Sandbox, Snapshot } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { Answer } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { FileChanges } from './file-changes.tsx'
import { MemoryChanges, PortChanges, ProcessChanges } from './inside-changes.tsx'
import { type Compared, compare, comparedBy, parseSide, sideOptions } from './sides.ts'
import { TextDialog } from './text-dialog.tsx'

const route = getRouteApi('/compare')

export function ComparePage() {
  const client = useClient()
  const snapshots = useQuery(queries.snapshots(client))
  const sandboxes = useQuery(queries.sandboxes(client))
  return (
    <>
      <title>Compare · Spawnpoint</title>
      <div className="page-head">
        <h1>Compare</h1>
      </div>
      <Answer query={snapshots}>
        {(shots) => <Answer query={sandboxes}>{(boxes) => <Choice snapshots={shots} sandboxes={boxes} />}</Answer>}
      </Answer>
    </>
  )
}

function Choice({ snapshots, sandboxes }: { snapshots: Snapshot[]; sandboxes: Sandbox[] }) {
  const search = route.useSearch()
  const navigate = useNavigate()
  const options = sideOptions(snapshots, sandboxes)
  const compared = comparedBy(parseSide(search.before), parseSide(search.after), snapshots, sandboxes)
  // What is compared with is always a snapshot.
  const swappable = search.before !== undefined && parseSide(search.after)?.kind === 'snapshot'
  const swap = () =>
    void navigate({ to: '/compare', search: { before: search.after, after: search.before }, replace: true })
  const select = (label: string, name: 'before' | 'after') => (
    <label className="side-select">
      {label}
      <select
        className="select"
        value={search[name] ?? ''}
        onChange={(event) =>
          void navigate({ to: '/compare', search: { ...search, [name]: event.target.value }, replace: true })
        }
      >
        <option value="">Choose…</option>
        {options[name].map(({ value, label: text }) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
  return (
    <>
      <div className="toolbar">
        {select('What has changed since', 'before')}
        {select('in', 'after')}
        <Button look="small" disabled={!swappable} onClick={swap}>
          Swap
        </Button>
      </div>
      {compared === null ? (
        <div className="panel empty">Choose a snapshot, and another or a sandbox to compare it with.</div>
      ) : (
        <Difference key={`${search.before} ${search.after}`} compared={compared} />
      )}
    </>
  )
}

function Difference({ compared }: { compared: Compared }) {
  const [path, setPath] = useState<string | null>(null)
  const { before, after } = compared
  const query = useQuery({
    queryKey: ['comparison', before.id, after.id],
    queryFn: () => compare(compared),
    // Of a sandbox it is of this moment; again when asked.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  })
  return (
    <Answer query={query}>
      {(comparison) => (
        <>
          <Summary comparison={comparison} again={() => void query.refetch()} />
          <FileChanges files={comparison.files} onOpen={setPath} />
          <ProcessChanges processes={comparison.processes} />
          <PortChanges ports={comparison.ports} />
          <MemoryChanges memory={comparison.memory} />
          {path !== null && <TextDialog compared={compared} path={path} onClose={() => setPath(null)} />}
        </>
      )}
    </Answer>
  )
}

function Summary({ comparison, again }: { comparison: Comparison; again: () => void }) {
  const { counts, incomplete, truncated, unread } = comparison.files
  const { processes, ports } = comparison
  const figures: [title: string, value: string][] = [
    ['Files added', String(counts.added)],
    ['Files removed', String(counts.removed)],
    ['Files changed', String(counts.changed)],
    ['Processes', processes === null ? 'not known' : `+${processes.started.length} −${processes.ended.length}`],
    ['Ports', ports === null ? 'not known' : `+${ports.opened.length} −${ports.closed.length}`],
  ]
  return (
    <>
      <section className="panel limits" aria-label="Summary">
        {figures.map(([title, value]) => (
          <div key={title}>
            <div className="sub">{title}</div>
            <strong>{value}</strong>
          </div>
        ))}
        <div>
          <Button look="small" onClick={again}>
            Compare again
          </Button>
        </div>
      </section>
      {incomplete !== null && (
        <div className="notice warn below">Not all of the files were looked at ({incomplete}): there may be more.</div>
      )}
      {truncated && <div className="notice below">The lists below are cut; the counts are of all.</div>}
      {unread > 0 && (
        <div className="notice below">{unread} files of equal size were too much to read, and count as changed.</div>
      )}
    </>
  )
}
