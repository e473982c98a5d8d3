import { useState } from 'react'
import type { Registry } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { sandboxNameError } from '../names.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'

interface RegistryDialogProps {
  /** `null` for a new one */
  registry: Registry | null
  onSaved: () => Promise<unknown>
  onClose: () => void
}

export function RegistryDialog({ registry, onSaved, onClose }: RegistryDialogProps) {
  const client = useClient()
  const [name, setName] = useState(registry?.name ?? '')
  const [url, setUrl] = useState(registry?.url ?? '')
  const [username, setUsername] = useState(registry?.username ?? '')
  const [password, setPassword] = useState('')
  const error = sandboxNameError(name)
  const moved = registry !== null && url.trim() !== registry.url
  const save = async () => {
    const fields = { name, url: url.trim() }
    const secret = password === '' ? {} : { password }
    if (registry === null)
      await client.registries.create({ ...fields, ...(username !== '' && { username }), ...secret })
    else await client.registries.update(registry.id, { ...fields, username: username || null, ...secret })
    await onSaved()
  }
  return (
    <FormDialog
      title={registry === null ? 'New registry' : `Change ${registry.name}`}
      submit="Save"
      disabled={name === '' || error !== null || url.trim() === ''}
      onSubmit={save}
      onClose={onClose}
    >
      <TextField label="Name" value={name} onChange={(event) => setName(event.target.value)} error={error} />
      <TextField
        label="Address"
        placeholder="https://ghcr.io/team"
        value={url}
        onChange={(event) => setUrl(event.target.value)}
        hint="HOST[:PORT][/PREFIX]; http:// for one without TLS. What is pulled from or pushed to below it uses this account"
      />
      <div className="field-row">
        <TextField label="User" value={username} onChange={(event) => setUsername(event.target.value)} />
        <TextField
          label="Password"
          type="password"
          autoComplete="new-password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          hint={passwordHint(registry, moved)}
        />
      </div>
    </FormDialog>
  )
}

function passwordHint(registry: Registry | null, moved: boolean): string {
  if (registry === null) return 'Stored encrypted, never shown'
  return moved ? 'Another address needs it again' : 'Empty: as it is'
}
