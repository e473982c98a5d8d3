import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Sandbox, Snapshot } from 'spawnpoint'
import { sideText } from '../compare/sides.ts'
import { formatBytes, formatDuration, nameOf, shortId } from '../format.ts'
import { SandboxButtons } from '../sandboxes/actions.tsx'
import { RollbackDialog } from '../sandboxes/rollback-dialog.tsx'
import { DeleteDialog } from '../snapshots/delete-dialog.tsx'
import { RestoreDialog } from '../snapshots/restore-dialog.tsx'
import { Age, Facts } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { StateBadge } from '../ui/state-badge.tsx'

interface SelectedProps {
  sandbox: Sandbox | null
  snapshot: Snapshot | null
  sandboxes: readonly Sandbox[]
}

/** What is selected in the tree, and what can be done with it. */
export function Selected({ sandbox, snapshot, sandboxes }: SelectedProps) {
  return (
    <aside className="panel" aria-label="Selected">
      {sandbox !== null && <SelectedSandbox sandbox={sandbox} />}
      {snapshot !== null && (
        <SelectedSnapshot
          key={snapshot.id}
          snapshot={snapshot}
          owner={sandboxes.find(({ id, state }) => id === snapshot.info.sandboxId && state !== 'killed') ?? null}
        />
      )}
      {sandbox === null && snapshot === null && (
        <p className="sub">Select a sandbox or a snapshot to start, roll back, fork or delete from there.</p>
      )}
    </aside>
  )
}

function SelectedSandbox({ sandbox }: { sandbox: Sandbox }) {
  return (
    <>
      <h2>
        <Link to="/sandboxes/$id" params={{ id: sandbox.id }}>
          {nameOf(sandbox)}
        </Link>
      </h2>
      <Facts
        of={[
          ['State', <StateBadge key="state" state={sandbox.state} />],
          ['Image', sandbox.info.image.name ?? shortId(sandbox.info.image.id)],
          ['Created', <Age key="created" at={sandbox.info.createdAt} />],
          ['Generation', sandbox.info.generation],
        ]}
      />
      <SandboxButtons sandbox={sandbox} />
    </>
  )
}

function SelectedSnapshot({ snapshot, owner }: { snapshot: Snapshot; owner: Sandbox | null }) {
  const [asking, setAsking] = useState<'restore' | 'rollback' | 'delete' | null>(null)
  const close = () => setAsking(null)
  const { info, receipt } = snapshot
  const ready = snapshot.state === 'ready'
  return (
    <>
      <h2>
        <Link to="/snapshots/$id" params={{ id: snapshot.id }}>
          {nameOf(snapshot)}
        </Link>
      </h2>
      <Facts
        of={[
          ['Status', <StateBadge key="state" state={snapshot.state} />],
          ['Kind', snapshot.kind],
          ['Stood still', receipt === null ? '–' : formatDuration(receipt.standstillMs)],
          ['Took', receipt === null ? '–' : formatDuration(receipt.totalMs)],
          ['Size', formatBytes(info.sizeBytes)],
          ['Consistency', receipt?.consistency ?? '–'],
          ['Created', <Age key="created" at={info.createdAt} />],
          ['Expires', <Age key="expires" at={info.expiresAt} />],
        ]}
      />
      <div className="actions">
        {ready && (
          <Button look="primary" needs="write" onClick={() => setAsking('restore')}>
            Start a sandbox
          </Button>
        )}
        {ready && owner !== null && (
          <Link
            className="button"
            to="/compare"
            search={{
              before: sideText({ kind: 'snapshot', id: snapshot.id }),
              after: sideText({ kind: 'sandbox', id: owner.id }),
            }}
          >
            Compare with {nameOf(owner)} now
          </Link>
        )}
        {ready && owner !== null && (
          <Button needs="write" onClick={() => setAsking('rollback')}>
            Roll {nameOf(owner)} back to it
          </Button>
        )}
        {(ready || snapshot.state === 'failed') && (
          <Button look="danger" needs="write" onClick={() => setAsking('delete')}>
            Delete
          </Button>
        )}
      </div>
      {asking === 'restore' && <RestoreDialog snapshot={snapshot} onClose={close} />}
      {asking === 'delete' && <DeleteDialog snapshot={snapshot} onClose={close} />}
      {asking === 'rollback' && owner !== null && (
        <RollbackDialog sandbox={owner} snapshot={snapshot.id} onClose={close} />
      )}
    </>
  )
}
