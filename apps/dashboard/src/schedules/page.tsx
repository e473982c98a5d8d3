import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { KeepRule, Schedule } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { useSandboxNames } from '../names-of.ts'
import { queries } from '../queries.ts'
import { Age, Answer, Empty, None } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { Menu } from '../ui/menu.tsx'
import { doing } from '../ui/toasts.tsx'
import { ScheduleDialog } from './schedule-dialog.tsx'

type Asking = { for: 'create' } | { for: 'edit' | 'delete'; schedule: Schedule }

export function SchedulesPage() {
  const client = useClient()
  const queryClient = useQueryClient()
  const query = useQuery(queries.schedules(client))
  const sandboxName = useSandboxNames()
  const [asking, setAsking] = useState<Asking | null>(null)
  const columns = useMemo(() => {
    const again = () => queryClient.invalidateQueries({ queryKey: ['schedules'] })
    const toggle = ({ id, enabled }: Schedule) =>
      doing('The change', enabled ? 'It rests' : 'It runs', async () => {
        await client.schedules.update(id, { enabled: !enabled })
        await again()
      })
    return columnsFor(sandboxName, toggle, setAsking)
  }, [client, queryClient, sandboxName])
  const again = () => queryClient.invalidateQueries({ queryKey: ['schedules'] })
  const close = () => setAsking(null)
  return (
    <>
      <title>Schedules · Spawnpoint</title>
      <div className="page-head">
        <h1>Schedules</h1>
        <Button look="primary" onClick={() => setAsking({ for: 'create' })}>
          New schedule
        </Button>
      </div>
      <Answer query={query}>
        {(schedules) => (
          <DataTable
            label="Schedules"
            rows={schedules}
            columns={columns}
            rowId={({ id }) => id}
            find={({ sandboxId, cron }) => [sandboxName(sandboxId), cron]}
            empty={
              <Empty
                title="No schedule yet"
                text="A schedule takes snapshots of a sandbox at set times, and keeps as many as you say."
              />
            }
          />
        )}
      </Answer>
      {asking?.for === 'create' && <ScheduleDialog schedule={null} onSaved={again} onClose={close} />}
      {asking?.for === 'edit' && <ScheduleDialog schedule={asking.schedule} onSaved={again} onClose={close} />}
      {asking?.for === 'delete' && (
        <FormDialog
          title="Delete the schedule?"
          text="The snapshots it took stay."
          submit="Delete"
          danger
          onSubmit={async () => {
            await client.schedules.delete(asking.schedule.id)
            await again()
          }}
          onClose={close}
        />
      )}
    </>
  )
}

function columnsFor(
  sandboxName: (id: string) => string,
  toggle: (schedule: Schedule) => Promise<void>,
  ask: (asking: Asking) => void,
): Column<Schedule>[] {
  return [
    {
      id: 'sandbox',
      header: 'Sandbox',
      sort: ({ sandboxId }) => sandboxName(sandboxId),
      cell: ({ sandboxId }) => (
        <Link to="/sandboxes/$id" params={{ id: sandboxId }} className="name">
          {sandboxName(sandboxId)}
        </Link>
      ),
    },
    {
      id: 'cron',
      header: 'When',
      cell: ({ cron, timeZone }) => (
        <>
          <code>{cron}</code>
          <div className="sub">{timeZone}</div>
        </>
      ),
    },
    { id: 'kind', header: 'Kind', sort: ({ kind }) => kind, cell: ({ kind }) => kind },
    { id: 'keep', header: 'Keeps', cell: ({ keep }) => keepText(keep) },
    {
      id: 'last',
      header: 'Last time',
      cell: ({ lastTick }) =>
        lastTick === null ? (
          <None />
        ) : (
          <>
            <span className={lastTick.outcome === 'fired' ? 'badge good' : 'badge warn'}>{lastTick.outcome}</span>{' '}
            <Age at={lastTick.at} />
            {lastTick.reason !== null && <div className="sub wraps">{lastTick.reason}</div>}
          </>
        ),
    },
    {
      id: 'next',
      header: 'Next time',
      sort: ({ nextAt }) => nextAt,
      cell: ({ nextAt, enabled }) => (enabled ? <Age at={nextAt} /> : <span className="badge">off</span>),
    },
    {
      id: 'actions',
      header: '',
      align: 'end',
      cell: (schedule) => (
        <Menu
          label={`Actions for the schedule of ${sandboxName(schedule.sandboxId)}`}
          entries={[
            { label: schedule.enabled ? 'Turn off' : 'Turn on', onSelect: () => void toggle(schedule) },
            { label: 'Change', onSelect: () => ask({ for: 'edit', schedule }) },
            { label: 'Delete', danger: true, onSelect: () => ask({ for: 'delete', schedule }) },
          ]}
        >
          •••
        </Menu>
      ),
    },
  ]
}

function keepText(keep: KeepRule): string {
  const parts = [
    keep.last === null ? null : `last ${keep.last}`,
    ...(['hourly', 'daily', 'weekly', 'monthly'] as const).map((name) =>
      keep[name] === null ? null : `${keep[name]} ${name}`,
    ),
  ].filter((part) => part !== null)
  return parts.length === 0 ? 'all' : parts.join(', ')
}
