import { useState } from 'react'
import { EMPTY_PLACE, isComplete, PlaceFields, placeOf } from '../archive/place-fields.tsx'
import { useClient } from '../client.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { doing } from '../ui/toasts.tsx'
import { imageNameError, nameFor } from './names.ts'

export function PullDialog({ onClose }: { onClose: () => void }) {
  const client = useClient()
  const [place, setPlace] = useState(EMPTY_PLACE)
  const [name, setName] = useState('')
  const suggested = nameFor(place.reference)
  const called = name === '' ? suggested : name
  const error = called === '' ? null : imageNameError(called)
  // Not waited for: the list shows how far it is.
  const pull = async () => {
    const { reference, ...as } = placeOf(place)
    void doing('The pull', `Image ${called} is ready`, () =>
      client.images.build({ name: called, source: { type: 'oci', reference }, ...as }),
    )
  }
  return (
    <FormDialog
      title="Pull an image"
      submit="Pull"
      disabled={!isComplete(place) || called === '' || error !== null}
      onSubmit={pull}
      onClose={onClose}
    >
      <PlaceFields place={place} onChange={setPlace} direction="from" placeholder="python:3.13-slim" />
      <TextField
        label="Name here"
        placeholder={suggested}
        value={name}
        onChange={(event) => setName(event.target.value)}
        error={error}
      />
    </FormDialog>
  )
}
