import { useQuery } from '@tanstack/react-query'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { CheckField, SelectField, TextAreaField, TextField } from '../ui/field.tsx'
import type { CreateForm, FormErrors } from './create-form.ts'

const AS_SOURCE = { value: '', label: 'As its source has it' } as const
const INTERNET = [AS_SOURCE, { value: 'yes', label: 'Yes' }, { value: 'no', label: 'No' }] as const
const PORTS = [
  AS_SOURCE,
  { value: 'open', label: 'Anybody' },
  { value: 'token', label: 'Who shows a token' },
  { value: 'closed', label: 'Nobody' },
] as const
const KINDS = [
  { value: 'filesystem', label: 'Files only' },
  { value: 'memory', label: 'Memory and files' },
] as const

interface MoreFieldsProps {
  form: CreateForm
  errors: FormErrors
  change: (changes: Partial<CreateForm>) => void
  /** Of the schedule */
  zone: string
}

/** What few sandboxes are told. */
export function MoreFields({ form, errors, change, zone }: MoreFieldsProps) {
  const volumes = useQuery(queries.volumes(useClient()))
  const text = (name: 'allow' | 'cron' | 'volumes' | 'env' | 'labels') => ({
    value: form[name],
    onChange: (event: { target: { value: string } }) => change({ [name]: event.target.value }),
    error: errors[name] ?? null,
  })
  const names = volumes.data?.map(({ name }) => name) ?? []
  return (
    <details className="more">
      <summary>Network, volumes, schedule, variables</summary>
      <div className="field-row">
        <SelectField
          label="Internet"
          value={form.internet}
          onChange={(value) => change({ internet: INTERNET.find((one) => one.value === value)?.value ?? '' })}
          options={INTERNET}
        />
        <SelectField
          label="Who reaches its ports"
          value={form.ports}
          onChange={(value) => change({ ports: PORTS.find((one) => one.value === value)?.value ?? '' })}
          options={PORTS}
        />
      </div>
      <TextField
        label="Allow only these networks"
        placeholder="10.0.0.0/8, 192.0.2.7/32"
        {...text('allow')}
        hint="Addresses with their masks, parted by commas; empty: all that the choice above allows"
      />
      <TextAreaField
        label="Volumes"
        placeholder="cache:/data"
        {...text('volumes')}
        hint={`VOLUME:/path a line, :ro after it to read only. ${
          names.length === 0 ? 'There is none yet, see the page Volumes' : `There: ${names.slice(0, 8).join(', ')}`
        }`}
      />
      <div className="field-row">
        <TextField label="Snapshots by schedule" placeholder="0 3 * * *" {...text('cron')} hint={`Cron, in ${zone}`} />
        <SelectField
          label="Of"
          value={form.cronKind}
          onChange={(value) => change({ cronKind: value === 'memory' ? 'memory' : 'filesystem' })}
          options={KINDS}
        />
      </div>
      <CheckField
        label="Wake it by use"
        hint="A request to it brings it back when it is paused or stopped"
        checked={form.autoResume}
        onChange={(autoResume) => change({ autoResume })}
      />
      <TextAreaField label="Environment" placeholder="KEY=value" {...text('env')} />
      <TextAreaField label="Labels" placeholder="project=demo" {...text('labels')} />
    </details>
  )
}
