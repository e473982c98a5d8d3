import { useState } from 'react'
import { EMPTY_PLACE, isComplete, PlaceFields, placeOf } from '../archive/place-fields.tsx'
import { useClient } from '../client.tsx'
import { snapshotNameError } from '../names.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { doing } from '../ui/toasts.tsx'

export function PullSnapshotDialog({ onClose }: { onClose: () => void }) {
  const client = useClient()
  const [place, setPlace] = useState(EMPTY_PLACE)
  const [name, setName] = useState('')
  const error = snapshotNameError(name)
  // Not waited for: it is in the list from its first moment on.
  const pull = async () => {
    void doing('The pull', 'The snapshot is here', () =>
      client.snapshots.pull({ ...placeOf(place), ...(name !== '' && { name }) }),
    )
  }
  return (
    <FormDialog
      title="Pull a snapshot"
      text="Takes in what another server has pushed, with its memory: sandboxes go on from it here."
      submit="Pull"
      disabled={!isComplete(place) || error !== null}
      onSubmit={pull}
      onClose={onClose}
    >
      <PlaceFields place={place} onChange={setPlace} direction="from" placeholder="registry.example/team/ready:1" />
      <TextField
        label="Name here"
        placeholder="as it was"
        value={name}
        onChange={(event) => setName(event.target.value)}
        error={error}
      />
    </FormDialog>
  )
}
