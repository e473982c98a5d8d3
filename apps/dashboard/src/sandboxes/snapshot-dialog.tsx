import { useState } from 'react'
import type { Sandbox, SnapshotKind } from 'spawnpoint'
import { nameOf, parseDuration } from '../format.ts'
import { snapshotNameError } from '../names.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { doing } from '../ui/toasts.tsx'

const KINDS = [
  ['memory', 'Memory and files', 'Everything goes on where it was: programs, open files, shells'],
  ['filesystem', 'Files only', 'Smaller; a sandbox started from it boots'],
] as const

export function SnapshotDialog({ sandbox, onClose }: { sandbox: Sandbox; onClose: () => void }) {
  const [name, setName] = useState('')
  const [kind, setKind] = useState<SnapshotKind>('memory')
  const [keep, setKeep] = useState('')
  const nameError = snapshotNameError(name)
  const ttlMs = keep.trim() === '' ? undefined : parseDuration(keep)
  const keepError = ttlMs === null || ttlMs === 0 ? 'Write 90m, 12h or 7d' : null
  // Not waited for: it is shown in the lists from its first moment on.
  const take = async () => {
    void doing('The snapshot', `Snapshot ${name === '' ? '' : `'${name}' `}is ready`, () =>
      sandbox.snapshot({ kind, name: name === '' ? undefined : name, ttlMs }),
    )
  }
  return (
    <FormDialog
      title={`Snapshot of ${nameOf(sandbox)}`}
      text="It runs on meanwhile; it stands still for some milliseconds."
      submit="Take snapshot"
      disabled={nameError !== null || keepError !== null}
      onSubmit={take}
      onClose={onClose}
    >
      <TextField
        label="Name"
        value={name}
        onChange={(event) => setName(event.target.value)}
        error={nameError}
        hint="May be used again; it then means the latest one. Empty: the id alone"
      />
      <fieldset>
        <legend>What it holds</legend>
        {KINDS.map(([value, label, hint]) => (
          <label className="check" key={value}>
            <input type="radio" name="kind" checked={kind === value} onChange={() => setKind(value)} />
            <span>
              {label}
              <span className="hint">{hint}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <TextField
        label="Keep for"
        value={keep}
        onChange={(event) => setKeep(event.target.value)}
        error={keepError}
        placeholder="7d"
        hint="Empty: as long as the team's snapshots are kept"
      />
    </FormDialog>
  )
}
