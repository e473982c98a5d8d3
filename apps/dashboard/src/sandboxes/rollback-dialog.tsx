import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Sandbox } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { nameOf } from '../format.ts'
import { queries } from '../queries.ts'
import { Answer } from '../ui/bits.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { SelectField } from '../ui/field.tsx'
import { doing } from '../ui/toasts.tsx'

const ORIGIN = 'origin'

interface RollbackDialogProps {
  sandbox: Sandbox
  /** Chosen at first */
  snapshot?: string
  onClose: () => void
}

export function RollbackDialog({ sandbox, snapshot, onClose }: RollbackDialogProps) {
  const client = useClient()
  const query = useQuery(queries.snapshotsOf(client, sandbox.id))
  const [chosen, setChosen] = useState(snapshot ?? null)
  const ready = query.data?.filter(({ state }) => state === 'ready') ?? []
  const target = chosen ?? ready[0]?.id ?? ORIGIN
  const options = [
    ...ready.map((one) => ({
      value: one.id,
      label: `${nameOf(one)} · ${one.kind} · ${one.info.createdAt.toLocaleString()}`,
    })),
    { value: ORIGIN, label: 'What it was started from' },
  ]
  const rollBack = async () => {
    void doing('The roll back', `${nameOf(sandbox)} is rolled back`, () =>
      sandbox.rollback(target === ORIGIN ? { origin: true } : { snapshot: target }),
    )
  }
  return (
    <FormDialog
      title={`Roll back ${nameOf(sandbox)}`}
      text="It keeps its id and goes back to that moment. What happened in it since then is lost."
      submit="Roll back"
      danger
      disabled={query.data === undefined}
      onSubmit={rollBack}
      onClose={onClose}
    >
      <Answer query={query}>
        {() => <SelectField label="Back to" value={target} onChange={setChosen} options={options} />}
      </Answer>
    </FormDialog>
  )
}
