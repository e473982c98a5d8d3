import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Snapshot } from 'spawnpoint'
import { nameOf, parseDuration } from '../format.ts'
import { pairsText, parsePairs } from '../names.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { SelectField, TextAreaField, TextField } from '../ui/field.tsx'

const KEEP = [
  { value: 'same', label: 'As it is' },
  { value: 'for', label: 'For a time from now' },
  { value: 'ever', label: 'For ever' },
] as const

export function ChangeSnapshotDialog({ snapshot, onClose }: { snapshot: Snapshot; onClose: () => void }) {
  const queryClient = useQueryClient()
  const [labelText, setLabels] = useState(pairsText(snapshot.info.labels))
  const [keep, setKeep] = useState<(typeof KEEP)[number]['value']>('same')
  const [time, setTime] = useState('7d')
  const labels = parsePairs(labelText)
  const ttlMs = parseDuration(time)
  const timeError = keep === 'for' && !ttlMs ? 'Write 90m, 12h or 7d' : null
  const save = async () => {
    await snapshot.update({
      ...('pairs' in labels && { labels: labels.pairs }),
      ...(keep !== 'same' && { ttlMs: keep === 'ever' ? null : ttlMs }),
    })
    // Nothing in the events tells of it.
    await queryClient.invalidateQueries({ predicate: ({ queryKey: [name] }) => String(name).startsWith('snapshot') })
  }
  return (
    <FormDialog
      title={`Change ${nameOf(snapshot)}`}
      submit="Save"
      disabled={'error' in labels || timeError !== null}
      onSubmit={save}
      onClose={onClose}
    >
      <div className="field-row">
        <SelectField
          label="Keep it"
          value={keep}
          onChange={(value) => setKeep(KEEP.find((one) => one.value === value)?.value ?? 'same')}
          options={KEEP}
        />
        {keep === 'for' && (
          <TextField
            label="How long"
            value={time}
            onChange={(event) => setTime(event.target.value)}
            error={timeError}
          />
        )}
      </div>
      <TextAreaField
        label="Labels"
        placeholder="project=demo"
        value={labelText}
        onChange={(event) => setLabels(event.target.value)}
        error={'error' in labels ? labels.error : null}
      />
    </FormDialog>
  )
}
