import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { KeepRule, Schedule, SnapshotKind } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { nameOf } from '../format.ts'
import { queries } from '../queries.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { SelectField, TextField } from '../ui/field.tsx'

const KINDS = [
  { value: 'filesystem', label: 'Files only' },
  { value: 'memory', label: 'Memory and files' },
] as const
const KEEPS = ['last', 'hourly', 'daily', 'weekly', 'monthly'] as const

interface ScheduleDialogProps {
  /** `null` for a new one */
  schedule: Schedule | null
  onSaved: () => Promise<unknown>
  onClose: () => void
}

export function ScheduleDialog({ schedule, onSaved, onClose }: ScheduleDialogProps) {
  const client = useClient()
  const sandboxes = useQuery({ ...queries.sandboxes(client), enabled: schedule === null })
  const [chosen, setChosen] = useState('')
  const [cron, setCron] = useState(schedule?.cron ?? '0 3 * * *')
  const [timeZone, setTimeZone] = useState(schedule?.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone)
  const [kind, setKind] = useState<SnapshotKind>(schedule?.kind ?? 'filesystem')
  const [keep, setKeep] = useState(
    Object.fromEntries(KEEPS.map((name) => [name, schedule?.keep[name]?.toString() ?? ''])) as {
      [K in (typeof KEEPS)[number]]: string
    },
  )
  const options = (sandboxes.data ?? []).map((one) => ({ value: one.id, label: nameOf(one) }))
  const sandbox = chosen === '' ? (options[0]?.value ?? '') : chosen
  const keepError = KEEPS.some((name) => !/^(|[1-9]\d{0,4})$/.test(keep[name].trim()))
    ? 'Whole numbers, or empty'
    : null
  const save = async () => {
    const rule: Partial<KeepRule> = Object.fromEntries(
      KEEPS.map((name) => [name, keep[name].trim() === '' ? null : Number(keep[name])]),
    )
    const fields = { cron: cron.trim(), timeZone, kind, keep: rule }
    if (schedule === null) await client.schedules.create({ sandbox, ...fields })
    else await client.schedules.update(schedule.id, fields)
    await onSaved()
  }
  return (
    <FormDialog
      title={schedule === null ? 'New schedule' : 'Change the schedule'}
      submit="Save"
      disabled={keepError !== null || (schedule === null && sandbox === '')}
      onSubmit={save}
      onClose={onClose}
    >
      {schedule === null && <SelectField label="Sandbox" value={sandbox} onChange={setChosen} options={options} />}
      <div className="field-row">
        <TextField
          label="Cron"
          value={cron}
          onChange={(event) => setCron(event.target.value)}
          hint="Minute, hour, day, month, day of week"
        />
        <TextField label="Time zone" value={timeZone} onChange={(event) => setTimeZone(event.target.value)} />
      </div>
      <SelectField
        label="Of"
        value={kind}
        onChange={(value) => setKind(value === 'memory' ? 'memory' : 'filesystem')}
        options={KINDS}
      />
      <fieldset>
        <legend>How many stay</legend>
        <div className="field-row">
          {KEEPS.map((name) => (
            <TextField
              key={name}
              label={name}
              inputMode="numeric"
              value={keep[name]}
              onChange={(event) => setKeep((old) => ({ ...old, [name]: event.target.value }))}
            />
          ))}
        </div>
        <div className={keepError === null ? 'sub' : 'error'}>
          {keepError ?? 'The newest so many, and the newest of each hour, day, week and month. All empty: all stay'}
        </div>
      </fieldset>
    </FormDialog>
  )
}
