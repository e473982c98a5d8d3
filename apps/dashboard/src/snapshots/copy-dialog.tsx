import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { FileInfo, Snapshot } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { formatBytes, nameOf } from '../format.ts'
import { queries } from '../queries.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { SelectField, TextField } from '../ui/field.tsx'
import { say } from '../ui/toasts.tsx'

export function CopyDialog({ snapshot, file, onClose }: { snapshot: Snapshot; file: FileInfo; onClose: () => void }) {
  const sandboxes = useQuery(queries.sandboxes(useClient(), ['running']))
  const [chosen, setChosen] = useState('')
  const [to, setTo] = useState(file.path)
  const options = (sandboxes.data ?? []).map((one) => ({ value: one.id, label: nameOf(one) }))
  const target = sandboxes.data?.find(({ id }) => id === (chosen === '' ? options[0]?.value : chosen))
  const copy = async () => {
    const copied = await target?.files.copyFrom(snapshot, file.path, { to })
    if (copied !== undefined) say('Copied', `${copied.entries} entries, ${formatBytes(copied.bytes)}`)
  }
  return (
    <FormDialog
      title={`Copy ${file.name} into a sandbox`}
      text="Over what is there, with the owners that it has in the snapshot."
      submit="Copy"
      disabled={target === undefined || to === ''}
      onSubmit={copy}
      onClose={onClose}
    >
      <SelectField label="Sandbox" value={target?.id ?? ''} onChange={setChosen} options={options} />
      <TextField label="To" value={to} onChange={(event) => setTo(event.target.value)} />
    </FormDialog>
  )
}
