import { useState } from 'react'
import type { Secret } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { secretNameError } from '../names.ts'
import { listOf } from '../sandboxes/create-form.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { TextAreaField, TextField } from '../ui/field.tsx'

interface SetSecretDialogProps {
  /** `null` for a new one */
  secret: Secret | null
  onSaved: () => Promise<unknown>
  onClose: () => void
}

export function SetSecretDialog({ secret, onSaved, onClose }: SetSecretDialogProps) {
  const client = useClient()
  const [name, setName] = useState(secret?.name ?? '')
  const [value, setValue] = useState('')
  const [hosts, setHosts] = useState(secret?.hosts.join('\n') ?? '')
  const error = secretNameError(name)
  const save = async () => {
    await client.secrets.set(name, { value, hosts: listOf(hosts) })
    await onSaved()
  }
  return (
    <FormDialog
      title={secret === null ? 'New secret' : `Set ${secret.name}`}
      text={secret === null ? undefined : 'Sandboxes whose rules use it do so with the new value at once.'}
      submit="Save"
      disabled={name === '' || error !== null || value === ''}
      onSubmit={save}
      onClose={onClose}
    >
      {secret === null && (
        <TextField
          label="Name"
          placeholder="OPENAI_API_KEY"
          value={name}
          onChange={(event) => setName(event.target.value)}
          error={error}
        />
      )}
      <TextField
        label="Value"
        type="password"
        autoComplete="new-password"
        value={value}
        onChange={(event) => setValue(event.target.value)}
        hint="Stored encrypted, never shown"
      />
      <TextAreaField
        label="Only to these hosts"
        placeholder={'api.openai.com\n*.example.org'}
        rows={2}
        value={hosts}
        onChange={(event) => setHosts(event.target.value)}
        hint="Empty: to all hosts of the rules that use it"
      />
    </FormDialog>
  )
}
