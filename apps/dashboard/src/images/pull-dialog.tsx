import { useState } from 'react'
import { useClient } from '../client.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { doing } from '../ui/toasts.tsx'
import { imageNameError, nameFor } from './names.ts'

export function PullDialog({ onClose }: { onClose: () => void }) {
  const client = useClient()
  const [reference, setReference] = useState('')
  const [name, setName] = useState('')
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  const called = name === '' ? nameFor(reference) : name
  const error = called === '' ? null : imageNameError(called)
  // Not waited for: the list shows how far it is.
  const pull = async () => {
    const credentials = username === '' ? {} : { credentials: { username, password } }
    void doing('The pull', `Image ${called} is ready`, () =>
      client.images.build({ name: called, source: { type: 'oci', reference: reference.trim() }, ...credentials }),
    )
  }
  return (
    <FormDialog
      title="Pull an image"
      submit="Pull"
      disabled={reference.trim() === '' || called === '' || error !== null}
      onSubmit={pull}
      onClose={onClose}
    >
      <TextField
        label="Reference"
        placeholder="python:3.13-slim"
        value={reference}
        onChange={(event) => setReference(event.target.value)}
        hint="As for docker pull; or oci:NAME, oci-archive:NAME, docker-archive:NAME in the server's imports"
      />
      <TextField
        label="Name here"
        placeholder={nameFor(reference)}
        value={name}
        onChange={(event) => setName(event.target.value)}
        error={error}
      />
      <div className="field-row">
        <TextField label="User" value={username} onChange={(event) => setUsername(event.target.value)} />
        <TextField
          label="Password"
          type="password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          hint="For this pull alone; kept nowhere"
        />
      </div>
    </FormDialog>
  )
}
