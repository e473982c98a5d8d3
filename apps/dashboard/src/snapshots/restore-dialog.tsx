import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { Snapshot } from 'spawnpoint'
import { nameOf } from '../format.ts'
import { sandboxNameError } from '../names.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { CheckField, TextField } from '../ui/field.tsx'

export function RestoreDialog({ snapshot, onClose }: { snapshot: Snapshot; onClose: () => void }) {
  const [name, setName] = useState('')
  const [cold, setCold] = useState(false)
  const navigate = useNavigate()
  const error = sandboxNameError(name)
  const restore = async () => {
    const sandbox = await snapshot.spawn({ name: name === '' ? undefined : name, cold })
    await navigate({ to: '/sandboxes/$id', params: { id: sandbox.id } })
  }
  return (
    <FormDialog
      title={`Restore ${nameOf(snapshot)}`}
      text="A new sandbox that goes on from here. What the snapshot was taken of is left alone."
      submit="Restore"
      disabled={error !== null}
      onSubmit={restore}
      onClose={onClose}
    >
      <TextField
        label="Name of the new sandbox"
        value={name}
        onChange={(event) => setName(event.target.value)}
        error={error}
        hint="May be left empty"
      />
      {snapshot.kind === 'memory' && (
        <CheckField label="Boot it from its files alone, without the memory" checked={cold} onChange={setCold} />
      )}
    </FormDialog>
  )
}
