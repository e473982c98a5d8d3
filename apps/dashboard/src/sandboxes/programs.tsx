import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState } from 'react'
import type { ProcessInfo, Sandbox } from 'spawnpoint'
import { messageOf } from '../client.tsx'
import { Answer } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { ageColumn } from '../ui/columns.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { doing } from '../ui/toasts.tsx'
import { appended, plainText } from './log-text.ts'
import { lifeOf, MustRun } from './must-run.tsx'

const LOOK_EVERY_MS = 3_000

/** What was started in the sandbox through the API, and what each of it printed. */
export function ProgramsTab() {
  return <MustRun>{(sandbox) => <Programs sandbox={sandbox} />}</MustRun>
}

function Programs({ sandbox }: { sandbox: Sandbox }) {
  const [chosen, setChosen] = useState<string | null>(null)
  const query = useQuery({
    queryKey: ['processes', lifeOf(sandbox)],
    queryFn: async () => (await sandbox.processes.list()).toReversed(),
    refetchInterval: LOOK_EVERY_MS,
  })
  const columns = useMemo(() => columnsFor(sandbox, setChosen), [sandbox])
  return (
    <Answer query={query}>
      {(processes) => (
        <>
          <DataTable
            label="Programs"
            rows={processes}
            columns={columns}
            rowId={({ id }) => id}
            empty="Nothing was started in it yet, but what its image starts."
          />
          {chosen !== null && <Output key={chosen} sandbox={sandbox} id={chosen} />}
        </>
      )}
    </Answer>
  )
}

function columnsFor(sandbox: Sandbox, choose: (id: string) => void): Column<ProcessInfo>[] {
  const end = (process: ProcessInfo) =>
    doing('The signal', `Sent SIGTERM to ${process.pid}`, async () => (await sandbox.processes.get(process.id)).kill())
  return [
    { id: 'pid', header: 'PID', align: 'number', sort: ({ pid }) => pid, cell: ({ pid }) => pid },
    {
      id: 'command',
      header: 'Command',
      cell: ({ args, tag, pty }) => (
        <>
          <code>{args.join(' ').slice(0, 160)}</code>
          <div className="chips">
            {tag !== null && <span className="chip">{tag}</span>}
            {pty && <span className="chip">terminal</span>}
          </div>
        </>
      ),
    },
    { id: 'user', header: 'User', cell: ({ user }) => user },
    ageColumn('Started', ({ startedAt }) => startedAt),
    {
      id: 'state',
      header: 'State',
      cell: ({ exit }) => {
        if (exit === null) return <span className="badge good">running</span>
        return <span className={exit.code === 0 ? 'badge' : 'badge bad'}>{exit.signal ?? `exit ${exit.code}`}</span>
      },
    },
    {
      id: 'actions',
      header: '',
      align: 'end',
      cell: (process) => (
        <>
          <Button look="small" aria-label={`Output of ${process.pid}`} onClick={() => choose(process.id)}>
            Output
          </Button>
          {process.exit === null && (
            <Button
              look="small danger"
              needs="write"
              aria-label={`End ${process.pid}`}
              onClick={() => void end(process)}
            >
              End
            </Button>
          )}
        </>
      ),
    },
  ]
}

function Output({ sandbox, id }: { sandbox: Sandbox; id: string }) {
  const [text, setText] = useState('')
  const [error, setError] = useState<string | null>(null)
  const place = useRef<HTMLPreElement>(null)
  const handle = useRef(sandbox)
  useEffect(() => {
    const stop = new AbortController()
    const follow = async () => {
      const process = await handle.current.processes.get(id, { signal: stop.signal })
      const decoder = new TextDecoder()
      for await (const piece of process.follow({ signal: stop.signal })) {
        const more =
          piece.type === 'data' ? plainText(decoder.decode(piece.data, { stream: true })) : '\n… some was not kept …\n'
        setText((old) => appended(old, more))
      }
    }
    follow().catch((thrown) => {
      if (!stop.signal.aborted) setError(messageOf(thrown))
    })
    return () => stop.abort()
  }, [id])
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is new is at the end
  useEffect(() => {
    place.current?.scrollTo({ top: place.current.scrollHeight })
  }, [text])
  return (
    <section className="panel">
      <h2>Output</h2>
      {error !== null && <div className="notice bad">{error}</div>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must be able to */}
      <pre className="code log" ref={place} tabIndex={0}>
        {text === '' ? 'Nothing yet.' : text}
      </pre>
    </section>
  )
}
