import { useState } from 'react'
import type { Team } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { teamNameError } from '../names.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { formOf, type LimitsForm, limitsOf } from './limits.ts'

const FIELDS: [name: keyof LimitsForm, label: string, hint: string][] = [
  ['sandboxes', 'Sandboxes that run', ''],
  ['cpus', 'Their CPUs', ''],
  ['memoryBytes', 'Their memory', '16G'],
  ['snapshots', 'Snapshots', 'Failed ones apart'],
  ['storageBytes', 'Storage', 'Of snapshots and paused memory'],
  ['snapshotRetentionMs', 'Kept at most', 'Snapshots: 12h, 30d'],
]

interface LimitsDialogProps {
  /** `null` for a new one */
  team: Team | null
  /** With the first key of a new one */
  onSaved: (secret: string | null) => Promise<unknown>
  onClose: () => void
}

export function LimitsDialog({ team, onSaved, onClose }: LimitsDialogProps) {
  const client = useClient()
  const [name, setName] = useState('')
  const [form, setForm] = useState(() => formOf(team?.limits ?? null))
  const { limits, errors } = limitsOf(form)
  const nameError = teamNameError(name)
  const save = async () => {
    if (team !== null) {
      await client.teams.update(team.id, { limits })
      return onSaved(null)
    }
    const { secret } = await client.teams.create({ name, limits })
    return onSaved(secret)
  }
  return (
    <FormDialog
      title={team === null ? 'New team' : `Limits of ${team.name}`}
      text="What it may have at once; empty: no limit. Nothing that it has already is taken away."
      submit={team === null ? 'Create' : 'Save'}
      disabled={Object.keys(errors).length > 0 || (team === null && (name === '' || nameError !== null))}
      onSubmit={save}
      onClose={onClose}
    >
      {team === null && (
        <TextField label="Name" value={name} onChange={(event) => setName(event.target.value)} error={nameError} />
      )}
      <div className="field-row">
        {FIELDS.map(([field, label, hint]) => (
          <TextField
            key={field}
            label={label}
            hint={hint}
            placeholder="no limit"
            value={form[field]}
            onChange={(event) => setForm((old) => ({ ...old, [field]: event.target.value }))}
            error={errors[field] ?? null}
          />
        ))}
      </div>
    </FormDialog>
  )
}
