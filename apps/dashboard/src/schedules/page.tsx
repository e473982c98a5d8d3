import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { KeepRule, Schedule } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { useSandboxNames } from '../names-of.ts'
import { queries } from '../queries.ts'
import { Age, Empty, None } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { menuColumn } from '../ui/columns.tsx'
import type { Column } from '../ui/data-table.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { ListPage } from '../ui/list-page.tsx'
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
    <ListPage
      title="Schedules"
      actions={
        <Button look="primary" needs="write" onClick={() => setAsking({ for: 'create' })}>
          New schedule
        </Button>
      }
      query={query}
      columns={columns}
      rowId={({ id }) => id}
      find={({ sandboxId, cron }) => [sandboxName(sandboxId), cron]}
      empty={
        <Empty
          title="No schedule yet"
          text="A schedule takes snapshots of a sandbox at set times, and keeps as many as you say."
        />
      }
    >
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
    </ListPage>
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
    menuColumn(
      (schedule) => `the schedule of ${sandboxName(schedule.sandboxId)}`,
      (schedule) => [
        { label: schedule.enabled ? 'Turn off' : 'Turn on', needs: 'write', onSelect: () => void toggle(schedule) },
        { label: 'Change', needs: 'write', onSelect: () => ask({ for: 'edit', schedule }) },
        { label: 'Delete', needs: 'write', danger: true, onSelect: () => ask({ for: 'delete', schedule }) },
      ],
    ),
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
