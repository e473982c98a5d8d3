import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import type { Sandbox, SandboxRequest } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { nameOf } from '../format.ts'
import { queries } from '../queries.ts'
import { Button } from '../ui/button.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { Menu, type MenuEntry } from '../ui/menu.tsx'
import { doing } from '../ui/toasts.tsx'
import { ForkDialog } from './fork-dialog.tsx'
import { RollbackDialog } from './rollback-dialog.tsx'
import { SnapshotDialog } from './snapshot-dialog.tsx'

const LABELS: Record<SandboxRequest, string> = {
  resume: 'Resume',
  start: 'Start',
  snapshot: 'Snapshot',
  fork: 'Fork',
  pause: 'Pause',
  stop: 'Stop',
  rollback: 'Roll back',
  kill: 'Kill',
}
const ORDER = Object.keys(LABELS) as SandboxRequest[]

interface Action {
  request: SandboxRequest
  label: string
  run: () => void
}

/** What the server says a sandbox in this state can be asked for, and the dialog that one of it has opened. */
function useActions(sandbox: Sandbox): { actions: Action[]; dialog: ReactNode } {
  const [asking, setAsking] = useState<SandboxRequest | null>(null)
  const server = useQuery(queries.server(useClient()))
  const possible = server.data?.lifecycle[sandbox.state] ?? []
  const name = nameOf(sandbox)
  const run = (request: SandboxRequest) => {
    switch (request) {
      case 'pause':
        return void doing('Pause', `${name} is paused`, () => sandbox.pause())
      case 'resume':
        return void doing('Resume', `${name} runs again`, () => sandbox.resume())
      case 'stop':
        return void doing('Stop', `${name} is stopped`, () => sandbox.stop())
      case 'start':
        return void doing('Start', `${name} runs`, () => sandbox.start())
      default:
        setAsking(request)
    }
  }
  const actions = ORDER.filter((request) => possible.includes(request)).map((request) => ({
    request,
    label: LABELS[request],
    run: () => run(request),
  }))
  const close = () => setAsking(null)
  const dialogs: Partial<Record<SandboxRequest, ReactNode>> = {
    snapshot: <SnapshotDialog sandbox={sandbox} onClose={close} />,
    fork: <ForkDialog sandbox={sandbox} onClose={close} />,
    rollback: <RollbackDialog sandbox={sandbox} onClose={close} />,
    kill: <KillDialog sandbox={sandbox} onClose={close} />,
  }
  return { actions, dialog: asking === null ? null : dialogs[asking] }
}

export function SandboxButtons({ sandbox }: { sandbox: Sandbox }) {
  const { actions, dialog } = useActions(sandbox)
  return (
    <div className="actions">
      {actions.map(({ request, label, run }, index) => (
        <Button
          key={request}
          look={request === 'kill' ? 'danger' : index === 0 ? 'primary' : ''}
          needs="write"
          onClick={run}
        >
          {label}
        </Button>
      ))}
      {dialog}
    </div>
  )
}

export function SandboxMenu({ sandbox }: { sandbox: Sandbox }) {
  const { actions, dialog } = useActions(sandbox)
  const entries = actions.map(({ request, label, run }): MenuEntry => {
    return { label, needs: 'write', danger: request === 'kill', onSelect: run }
  })
  return (
    <>
      <Menu label={`Actions for ${nameOf(sandbox)}`} entries={entries}>
        •••
      </Menu>
      {dialog}
    </>
  )
}

function KillDialog({ sandbox, onClose }: { sandbox: Sandbox; onClose: () => void }) {
  return (
    <FormDialog
      title={`Kill ${nameOf(sandbox)}?`}
      text="Its processes end and its files are removed. Its snapshots stay."
      submit="Kill"
      danger
      onSubmit={() => sandbox.kill()}
      onClose={onClose}
    />
  )
}
