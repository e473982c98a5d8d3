import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import type { Scope, Snapshot } from 'spawnpoint'
import { PushDialog } from '../archive/push-dialog.tsx'
import { sideText } from '../compare/sides.ts'
import { nameOf } from '../format.ts'
import { Button } from '../ui/button.tsx'
import { Menu } from '../ui/menu.tsx'
import { doing } from '../ui/toasts.tsx'
import { ChangeSnapshotDialog } from './change-dialog.tsx'
import { DeleteDialog } from './delete-dialog.tsx'
import { RestoreDialog } from './restore-dialog.tsx'

interface Action {
  label: string
  needs?: Scope
  danger?: boolean
  run: () => void
}

/** Buttons of a snapshot's page; the rest is in a menu. */
const BUTTONS = 4

/** What can be done with a snapshot as it is now, the most likely first, and the dialog that one of it has opened. */
function useActions(snapshot: Snapshot): { actions: Action[]; dialog: ReactNode } {
  const [asking, setAsking] = useState<'restore' | 'delete' | 'change' | 'push' | null>(null)
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const { pinned } = snapshot.info
  const close = () => setAsking(null)
  // Nothing in the events tells of what is pinned.
  const again = () =>
    queryClient.invalidateQueries({ predicate: ({ queryKey: [name] }) => String(name).startsWith('snapshot') })

  const needs: Scope = 'write'
  const restore = { needs, label: 'Restore', run: () => setAsking('restore') }
  const compare = {
    label: 'Compare',
    run: () => void navigate({ to: '/compare', search: { before: sideText({ kind: 'snapshot', id: snapshot.id }) } }),
  }
  /** What it finds wrong is an answer of the server's, and for us a failure. */
  const verified = async (work: Promise<Snapshot>) => {
    const { checkFailure } = (await work).info
    await again()
    if (checkFailure !== null) throw new Error(checkFailure)
  }
  const check = {
    needs,
    label: 'Check',
    run: () => void doing('The check', `${nameOf(snapshot)} is whole`, () => verified(snapshot.check())),
  }
  const drill = {
    needs,
    label: 'Try out',
    run: () => void doing('The trial', `A sandbox starts from ${nameOf(snapshot)}`, () => verified(snapshot.drill())),
  }
  const pin = {
    needs,
    label: pinned ? 'Unpin' : 'Pin',
    run: () =>
      void doing(pinned ? 'Unpin' : 'Pin', pinned ? 'It may expire again' : 'It does not expire', async () => {
        await snapshot.update({ pinned: !pinned })
        await again()
      }),
  }
  const bringBack = {
    needs,
    label: 'Bring back',
    run: () => void doing('Bringing it back', `${nameOf(snapshot)} is back`, () => snapshot.undelete()),
  }
  const change = { needs, label: 'Change', run: () => setAsking('change') }
  const push = { needs, label: 'Push', run: () => setAsking('push') }
  const remove = { needs, label: 'Delete', danger: true, run: () => setAsking('delete') }
  const byState: { [state: string]: Action[] } = {
    ready: [restore, compare, drill, check, pin, change, push, remove],
    failed: [remove],
    trashed: [bringBack, { ...remove, label: 'Delete for good' }],
  }
  const dialogs = {
    restore: <RestoreDialog snapshot={snapshot} onClose={close} />,
    delete: <DeleteDialog snapshot={snapshot} onClose={close} />,
    change: <ChangeSnapshotDialog snapshot={snapshot} onClose={close} />,
    push: (
      <PushDialog
        title={`Push ${nameOf(snapshot)}`}
        text="With its memory, so that another server goes on from it. It holds whatever secrets were in memory."
        push={(request, options) => snapshot.push(request, options)}
        onClose={close}
      />
    ),
  }
  return { actions: byState[snapshot.state] ?? [], dialog: asking === null ? null : dialogs[asking] }
}

export function SnapshotButtons({ snapshot }: { snapshot: Snapshot }) {
  const { actions, dialog } = useActions(snapshot)
  const rest = actions.slice(BUTTONS).map(({ run, ...entry }) => ({ ...entry, onSelect: run }))
  return (
    <div className="actions">
      {actions.slice(0, BUTTONS).map(({ label, danger, needs, run }, index) => (
        <Button key={label} look={danger ? 'danger' : index === 0 ? 'primary' : ''} needs={needs} onClick={run}>
          {label}
        </Button>
      ))}
      <Menu label={`More for ${nameOf(snapshot)}`} entries={rest}>
        •••
      </Menu>
      {dialog}
    </div>
  )
}

/** For a row: the first is a button, unless it cannot be taken back. */
export function SnapshotMenu({ snapshot }: { snapshot: Snapshot }) {
  const { actions, dialog } = useActions(snapshot)
  const [first, ...rest] = actions
  const direct = first !== undefined && !first.danger ? first : null
  const entries = (direct === null ? actions : rest).map(({ run, ...entry }) => ({ ...entry, onSelect: run }))
  return (
    <>
      {direct !== null && (
        <Button
          look="small"
          needs={direct.needs}
          aria-label={`${direct.label} ${nameOf(snapshot)}`}
          onClick={direct.run}
        >
          {direct.label}
        </Button>
      )}
      <Menu label={`Actions for ${nameOf(snapshot)}`} entries={entries}>
        •••
      </Menu>
      {dialog}
    </>
  )
}
